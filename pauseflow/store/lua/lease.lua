-- Renews a worker's lease, and tells it how many workers live.
--
-- KEYS: leases workers
-- ARGV: worker now length about
--   length: of the lease in ms, 0 to give it up
--   about: what the worker says of itself; empty: nothing new, and the lease is renewed only if there is one
-- RETURNS: {now, how many workers have a lease}
-- @include clock

local time = clock(now)
if tonumber(length) == 0 then
  redis.call('ZREM', leases, worker)
  redis.call('HDEL', workers, worker)
elseif about ~= '' or redis.call('ZSCORE', leases, worker) then
  -- Removed first: a full server refuses a script that begins by adding something.
  redis.call('ZREM', leases, worker)
  redis.call('ZADD', leases, time + tonumber(length), worker)
  if about ~= '' then
    redis.call('HSET', workers, worker, about)
  end
end
return {time, redis.call('ZCOUNT', leases, time, '+inf')}
