-- Has a run that is over go in a while, which nobody has said yet.
--
-- KEYS: run expiring own...
--   own: the run's keys that are left when it is over
-- ARGV: run_id now keep
--   keep: for how many ms
-- RETURNS: 1 it will go | 0 it was to go anyway, or is not over
-- @include clock

local state = redis.call('HGET', run, 'state')
if state ~= 'done' and state ~= 'cancelled' or redis.call('ZSCORE', expiring, run_id) then
  return 0
end
redis.call('ZADD', expiring, clock(now) + keep, run_id)
redis.call('PEXPIRE', run, keep)
for i = 3, #KEYS do
  redis.call('PEXPIRE', KEYS[i], keep)
end
return 1
