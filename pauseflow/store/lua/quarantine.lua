-- Sets an entry aside that is not ours or is damaged: out of the stream, into the quarantine with a reason. If it is
-- a chunk of a run, the run halts, and keeps the chunk whole among what it has parked.
--
-- KEYS: stream quarantined run parked results
-- ARGV: consumer entry reason limit field text books_field error
--   limit: how many entries the quarantine keeps, the newest
--   field: of the parked hash, '' for an entry that names no run (run, parked and results are then not looked at);
--   text: the parked chunk; error: what the run halts with
-- RETURNS: 1 set aside | 0 the entry is not this worker's any more
-- @include books

if #redis.call('XPENDING', stream, 'workers', entry, entry, 1, consumer) == 0 then
  return 0
end
local found = redis.call('XRANGE', stream, entry, entry)[1]
redis.call('XACK', stream, 'workers', entry)
redis.call('XDEL', stream, entry)
local body = ''
if found then
  body = string.sub(table.concat(found[2], '\n'), 1, 4096)
end
redis.call('XADD', quarantined, 'MAXLEN', limit, '*', 'stream', stream, 'entry', entry, 'reason', reason,
  'body', body)
if field == '' then
  return 1
end
local state = redis.call('HMGET', run, 'state', books_field)
if state[1] and state[1] ~= 'done' and state[1] ~= 'cancelled' and state[2] then
  local stage = {}
  open_books(stage, state[2])
  if stage.flying < 1 then
    -- the run has nothing in flight here: someone else put this into the stream
    return 1
  end
  stage.parked, stage.flying = stage.parked + 1, stage.flying - 1
  redis.call('HSET', parked, field, text)
  -- a paused run is halted when it goes on
  redis.call('HSET', run, 'state', state[1] == 'paused' and 'paused' or 'halted', 'error', error,
    books_field, books_line(stage))
  redis.call('XADD', results, '*', 'halt', '1')
end
return 1
