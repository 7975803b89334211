-- Commits what a worker did with one chunk: acknowledge, emit, move the cursor, keep the continuation, count.
-- All of it or nothing; a worker that no longer owns the entry commits nothing.
--
-- KEYS: run results parked timers expiring room stream stages...
--   stream: the one that the entry is in, of the lane that it came by
--   stages: stream, backlog, reorder of each keyed stage of the cast; the committing stage comes first; then, if there
--   are parks or dead letters: the run's waits and signals, the namespace's jobs, dead and letters, and the quarantine and
--   its count; then, if the stage keeps something: the hash of that
-- ARGV: run_id now entry seq done emitted busy rest continuation ended error keep results_limit is_root parks deads keeps pieces keyed before cast payload...
--   rest: '' the chunk is done | 'again' goes on at once | 'parked' its rest is among the parks
--   continuation: the envelope of the rest, for 'again'
--   ended: '1' if this was the last chunk of an unordered stage (ordered ones mark their last piece)
--   error: what the run halts with, '' if it does not
--   parks, deads, keeps, pieces, keyed, cast: how many of each follow; before: how many of the keyed stages, the last ones, come
--   before the committing one; payload: 6 a stage of the cast (see pipeline),
--   then (field, wake time in ms, timer's name, text, wait) a park: a wake time of 0 waits to be told,
--   of -1 goes on at once (its text is an envelope); wait: its member of the waits, '' if it waits for no signal;
--   then (id, time in ms, text) a dead letter, then (field, value) of what the stage keeps, an empty value for a field
--   that goes, then the pieces
-- RETURNS: 1 committed | 0 fenced: the entry is not this worker's any more | -1 the run is gone, or this chunk of it
--   is done already (someone put the entry here again); the entry is dropped | -2 the run's books are damaged: nothing
--   is done, and the entry is to be set aside
-- @include aside
-- @include pipeline
-- @include parked

-- Nothing is written before all that may be damaged was read: a script is not rolled back.
-- The stages before this one come last, and matter only if something waits there.
local state, sound = open_run(run, run_id, 8, keyed + 0, 22, cast + 0, keyed - before)
if state and not sound then
  return -2
end
-- An entry is never claimed: what is put back gets a new id. So whoever acknowledges this one is its only owner.
if redis.call('XACK', stream, 'workers', entry) == 0 then
  return 0
end
redis.call('XDEL', stream, entry)
if not state or state == 'cancelled' then
  return -1
end
local self = flow.cast[1]
local number = seq + 0
if self.flying < 1 or number >= self.sent or (self.ordered and number < self.cursor) then
  return -1
end
local next_arg = 22 + 6 * cast

self.done = self.done + done
self.emitted = self.emitted + emitted
self.busy = self.busy + busy
self.flying = self.flying - 1
touch(self)

-- Goes on at once, or, in a run that a person has paused, when they let it.
local function go_on(envelope)
  if flow.paused then
    redis.call('HSET', parked, paused_field(string.sub(self.field, 3), envelope),
      string.format('paused %d 0 0\n', clock(now)) .. envelope)
    self.parked = self.parked + 1
  else
    redis.call('XADD', self.stream, '*', 'e', envelope)
    self.flying = self.flying + 1
  end
end

-- What waits for something, and what is set aside: seldom, so that other commits need not name these keys.
local function keep_aside(rest_of_keys)
  local waits, signals, jobs, dead, letters, quarantined, counted = unpack(KEYS, rest_of_keys)

  -- Whether an answer was kept for this wait; if so, it goes on with it.
  local function answered(wait, text)
    local name = string.match(wait, '^([^\n]*)')
    local kept = first_of(signals, name)
    while kept do
      local answer = string.match(kept, '^[^\n]*\n%d+\n(.*)$')
      redis.call('ZREM', signals, kept)
      if answer then
        local _, _, _, envelope = open_parked(text)
        redis.call('XADD', self.stream, '*', 'e', envelope, 's', answer)
        self.flying = self.flying + 1
        return true
      end
      set_aside(quarantined, counted, 1000, signals, name, 'a signal that is damaged', kept)
      kept = first_of(signals, name)
    end
    redis.call('ZADD', waits, 0, wait)
    if string.sub(name, 1, 4) == 'job:' then
      redis.call('ZADD', jobs, clock(now), run_id .. ' ' .. name)
    end
    return false
  end

  for _ = 1, tonumber(parks) do
    local field, wake, timer, text, wait = unpack(ARGV, next_arg, next_arg + 4)
    next_arg = next_arg + 5
    if wake == '-1' then
      go_on(text)
    elseif wait == '' or not answered(wait, text) then
      redis.call('HSET', parked, field, text)
      if wake ~= '0' then
        redis.call('ZADD', timers, wake, timer)
      end
      if keeps_place(string.match(text, '^%a+')) then
        self.flying = self.flying + 1
      else
        self.parked = self.parked + 1
      end
    end
  end
  for _ = 1, tonumber(deads) do
    local id, at, text = unpack(ARGV, next_arg, next_arg + 2)
    next_arg = next_arg + 3
    redis.call('ZADD', dead, at, id)
    redis.call('HSET', letters, id, text)
    redis.call('HINCRBY', run, 'dead', 1)
  end
end

local next_key = 8 + 3 * keyed
if parks ~= '0' or deads ~= '0' then
  keep_aside(next_key)
  next_key = next_key + 7
end
if keeps ~= '0' then
  local upto = next_arg + 2 * keeps - 1
  for at = next_arg, upto, 2 do
    if ARGV[at + 1] == '' then
      redis.call('HDEL', KEYS[next_key], ARGV[at])
    else
      redis.call('HSET', KEYS[next_key], ARGV[at], ARGV[at + 1])
    end
  end
  next_arg = upto + 1
  -- What is left of it when the run is done, such as after a dead letter, goes then.
  local name = string.sub(self.field, 3)
  if not string.find(' ' .. (flow.kept or '') .. ' ', ' ' .. name .. ' ', 1, true) then
    flow.kept = (flow.kept and flow.kept .. ' ' or '') .. name
    redis.call('HSET', run, 'kept', flow.kept)
  end
end
if error ~= '' then
  -- a paused run is halted when it goes on
  redis.call('HSET', run, 'state', flow.paused and 'paused' or 'halted', 'error', error)
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
  if flow.paused or has_room(self, in_order) then
    go_on(continuation)
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
