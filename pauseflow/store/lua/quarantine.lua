-- Sets an entry aside that is not ours or is damaged: out of the stream, into the quarantine with a reason. If it is
-- a chunk of a run, the run halts, and keeps the chunk whole among what it has parked.
--
-- KEYS: stream quarantined counted run parked results
-- ARGV: consumer entry reason limit field text books_field error
--   limit: how many entries the quarantine keeps, the newest; counted counts them all
--   field: of the parked hash, '' for an entry that names no run (run, parked and results are then not looked at);
--   text: the parked chunk; error: what the run halts with
-- RETURNS: 1 set aside | 0 the entry is not this worker's any more
-- @include aside
-- @include books

if #redis.call('XPENDING', stream, 'workers', entry, entry, 1, consumer) == 0 then
  return 0
end
local found = redis.call('XRANGE', stream, entry, entry)[1]
redis.call('XACK', stream, 'workers', entry)
redis.call('XDEL', stream, entry)
set_aside(quarantined, counted, limit, stream, entry, reason, found and table.concat(found[2], '\n') or '')
if field == '' then
  return 1
end
-- What the run has written down may be damaged, too: then it is no run (pcall tells), or its books can't be kept.
local state = redis.pcall('HMGET', run, 'state', books_field)
if state[1] and state[1] ~= 'done' and state[1] ~= 'cancelled' and state[2] then
  local stage = {}
  if open_books(stage, state[2]) then
    if stage.flying < 1 then
      -- the run has nothing in flight here: someone else put this into the stream
      return 1
    end
    stage.parked, stage.flying = stage.parked + 1, stage.flying - 1
    redis.call('HSET', run, books_field, books_line(stage))
  end
  redis.pcall('HSET', parked, field, text)
  -- a paused run is halted when it goes on
  redis.call('HSET', run, 'state', state[1] == 'paused' and 'paused' or 'halted', 'error', error)
  redis.pcall('XADD', results, '*', 'halt', '1')
end
return 1
