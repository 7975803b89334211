-- Pauses a run: nothing more of it is dispatched, and what is at work is parked at its next commit.
--
-- A run that has halted keeps its error, and is halted again when it goes on.
--
-- KEYS: run held
-- ARGV: run_id
-- RETURNS: 1 paused | 0 it was paused already | -1 no such run | -2 it is done | -3 it is cancelled
-- @include holding

local state = redis.call('HGET', run, 'state')
if not state then
  return -1
elseif state == 'done' then
  return -2
elseif state == 'cancelled' then
  return -3
elseif state == 'paused' then
  return 0
end
note_held(held, 'run:' .. run_id, 'paused')
redis.call('HSET', run, 'state', 'paused')
return 1
