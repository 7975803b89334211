-- Renews a worker's lease, and tells it how many workers live.
--
-- KEYS: leases workers
-- ARGV: worker now length about
--   length: of the lease in ms, 0 to give it up; about: what the worker says of itself
-- RETURNS: {now, how many workers have a lease}
-- @include clock

local time = clock(now)
if tonumber(length) == 0 then
  redis.call('ZREM', leases, worker)
  redis.call('HDEL', workers, worker)
else
  redis.call('ZADD', leases, time + tonumber(length), worker)
  redis.call('HSET', workers, worker, about)
end
return {time, redis.call('ZCOUNT', leases, time, '+inf')}
