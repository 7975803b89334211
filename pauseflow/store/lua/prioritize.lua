-- Gives a run another priority: what it sends from now on goes by that lane, what is on its way stays where it is.
--
-- KEYS: run
-- ARGV: priority
--   priority: 'high', 'low', or '' for the normal one
-- RETURNS: 1 it has | 0 it had it before | -1 no such run | -2 the run is over

local fields = redis.call('HMGET', run, 'state', 'priority')
if not fields[1] then
  return -1
elseif fields[1] == 'done' or fields[1] == 'cancelled' then
  return -2
elseif (fields[2] or '') == priority then
  return 0
end
redis.call('HSET', run, 'priority', priority)
return 1
