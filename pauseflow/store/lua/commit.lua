-- Commits what a worker did with one chunk: acknowledge, emit, move the cursor, keep the continuation, count.
-- All of it or nothing; a worker that no longer owns the entry commits nothing.
--
-- KEYS: run results parked timers expiring room stages...
--   stages: stream, backlog, reorder of each keyed stage of the cast; the committing stage comes first
-- ARGV: run_id now entry seq done emitted busy rest continuation ended error keep results_limit is_root parks pieces keyed before cast payload...
--   rest: '' the chunk is done | 'again' goes on at once | 'parked' its rest is among the parks
--   continuation: the envelope of the rest, for 'again'
--   ended: '1' if this was the last chunk of an unordered stage (ordered ones mark their last piece)
--   error: what the run halts with, '' if it does not
--   parks, pieces, keyed, cast: how many of each follow; before: how many of the keyed stages, the last ones, come
--   before the committing one; payload: 6 a stage of the cast (see pipeline),
--   then (field, wake time in ms, timer's name, text) a park; a wake time of 0 waits to be told,
--   of -1 goes on at once (its text is an envelope), then the pieces
-- RETURNS: 1 committed | 0 fenced: the entry is not this worker's any more | -1 the run is gone, or this chunk of it
--   is done already (someone put the entry here again); the entry is dropped
-- @include pipeline

local stream = KEYS[7]
-- An entry is never claimed: what is put back gets a new id. So whoever acknowledges this one is its only owner.
if redis.call('XACK', stream, 'workers', entry) == 0 then
  return 0
end
redis.call('XDEL', stream, entry)
-- the stages before this one come last, and matter only if something waits there
local state = open_run(run, run_id, 7, keyed + 0, 20, cast + 0, keyed - before)
if not state then
  return -1
end
local self = flow.cast[1]
local number = seq + 0
if self.flying < 1 or number >= self.sent or (self.ordered and number < self.cursor) then
  return -1
end
local next_arg = 20 + 6 * cast

self.done = self.done + done
self.emitted = self.emitted + emitted
self.busy = self.busy + busy
self.flying = self.flying - 1
touch(self)

for i = 1, tonumber(parks) do
  local field, wake, timer, text = unpack(ARGV, next_arg, next_arg + 3)
  next_arg = next_arg + 4
  if wake == '-1' then
    redis.call('XADD', self.stream, '*', 'e', text)
    self.flying = self.flying + 1
  else
    redis.call('HSET', parked, field, text)
    if wake ~= '0' then
      redis.call('ZADD', timers, wake, timer)
    end
    self.parked = self.parked + 1
  end
end
if error ~= '' then
  redis.call('HSET', run, 'state', 'halted', 'error', error)
  -- wakes whoever follows the results
  redis.call('XADD', results, '*', 'halt', '1')
end

local in_order = not self.ordered or number == self.cursor
if in_order then
  for i = next_arg, next_arg + pieces - 1 do
    emit(self, ARGV[i])
  end
  if rest == '' and self.ordered then
    self.cursor = self.cursor + 1
    drain(self)
  end
else
  hold(self, seq, next_arg, next_arg + pieces - 1, rest == '')
end

if not self.ordered then
  if ended == '1' then
    self.ended = 1
  end
  if self.ended == 1 and rest ~= 'again' and self.flying == 0 and self.parked == 0 and self.waiting == 0 then
    self.ended = 2
    emit_end(self)
  end
end

for _, outlet in ipairs(self.outlets) do
  if outlet > 0 then
    dispatch(flow.cast[outlet])
  end
end
if rest == 'again' then
  if has_room(self, in_order) then
    redis.call('XADD', self.stream, '*', 'e', continuation)
    self.flying = self.flying + 1
  elseif in_order then
    stall(self, continuation)
  else
    redis.call('HSET', self.reorder, seq .. ':c', continuation)
  end
end
for i = 1, keyed + 0 do
  if flow.cast[i] then
    dispatch(flow.cast[i])
  end
end
if is_root == '1' then
  call_feeder(self, room)
end
close_run()
finish_if_done(now, tonumber(keep), expiring)
return 1
