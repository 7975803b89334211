-- Commits what a worker did with one chunk: acknowledge, emit, move the cursor, keep the continuation, count.
-- All of it or nothing; a worker that no longer owns the entry commits nothing.
--
-- KEYS: run results parked timers expiring room stages...
--   stages: stream, backlog, reorder of each keyed stage of the cast; the committing stage comes first
-- ARGV: run_id now consumer entry seq done emitted busy rest continuation ended error keep results_limit is_root parks pieces keyed cast payload...
--   rest: '' the chunk is done | 'again' goes on at once | 'parked' its rest is among the parks
--   continuation: the envelope of the rest, for 'again'
--   ended: '1' if this was the last chunk of an unordered stage (ordered ones mark their last piece)
--   error: what the run halts with, '' if it does not
--   parks, pieces, keyed, cast: how many of each follow; payload: 6 a stage of the cast (see pipeline),
--   then (field, wake time in ms, timer's name, text) a park; a wake time of 0 waits to be told,
--   of -1 goes on at once (its text is an envelope), then the pieces
-- RETURNS: 1 committed | 0 fenced: the entry is not this worker's any more | -1 the run is gone; the entry is dropped
-- @include clock
-- @include pipeline

local next_arg = read_cast(7, tonumber(keyed), 20, tonumber(cast))
local self = flow.cast[1]
if #redis.call('XPENDING', self.stream, 'workers', entry, entry, 1, consumer) == 0 then
  return 0
end
local state = open_run(run, run_id, results, results_limit)
redis.call('XACK', self.stream, 'workers', entry)
redis.call('XDEL', self.stream, entry)
if not state then
  return -1
end

local outputs = {}
local first_piece = next_arg + 4 * tonumber(parks)
for i = first_piece, first_piece + tonumber(pieces) - 1 do
  outputs[#outputs + 1] = ARGV[i]
end
self.done = self.done + tonumber(done)
self.emitted = self.emitted + tonumber(emitted)
self.busy = self.busy + tonumber(busy)
self.flying = self.flying - 1
self.dirty = true

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
end

if not self.ordered or tonumber(seq) == self.cursor then
  for _, piece in ipairs(outputs) do
    emit(self, piece)
  end
  if rest == '' and self.ordered then
    self.cursor = self.cursor + 1
    drain(self)
  end
else
  hold(self, seq, outputs, rest == '')
end

if not self.ordered then
  if ended == '1' then
    self.ended = 1
  end
  if self.ended == 1 and self.flying == 0 and self.parked == 0 and self.waiting == 0 then
    self.ended = 2
    local stages_after = 0
    for i, outlet in ipairs(self.outlets) do
      if outlet > 0 then
        emit(self, '0 0 1 ' .. i .. '\n')
        stages_after = stages_after + 1
      end
    end
    if stages_after == 0 then
      emit(self, '0 0 1 0\n')
    end
  end
end

for _, outlet in ipairs(self.outlets) do
  if outlet > 0 then
    dispatch(flow.cast[outlet])
  end
end
if rest == 'again' then
  if has_room(self) then
    redis.call('XADD', self.stream, '*', 'e', continuation)
    self.flying = self.flying + 1
  elseif not self.ordered or tonumber(seq) == self.cursor then
    stall(self, continuation)
  else
    redis.call('HSET', self.reorder, seq .. ':c', continuation)
  end
end
for i = 1, tonumber(keyed) do
  dispatch(flow.cast[i])
end
if is_root == '1' then
  call_feeder(self, room)
end
close_run()
finish_if_done(clock(now), tonumber(keep), expiring)
return 1
