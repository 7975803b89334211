-- A worker is done with the records that it was admitted with: frees its slots, and hands back permits that it did not use.
--
-- A permit is worth less the later it comes back, for meanwhile the rate has given another in its place.
--
-- KEYS: keys...
--   keys: of each rate and limit: its state, turns, wakes (see admit)
-- ARGV: run worker now admitted sources...
--   now: in µs, 0 the server's; admitted: when the permits were given, in µs, by the server's clock
--   sources: three for each triple: 'rate' interval_us unused | 'limit' count 0
-- RETURNS: how many slots were freed
-- @include instant

local WEIGHT = 8
local LONGEST_HOLD = 60000000

local time = instant(now)
local freed = 0

local function hand_back(state, turns, interval, unused)
  local credit = unused * interval - (time - admitted)
  local full_at = redis.call('GET', state)
  if credit <= 0 or not full_at then
    return
  end
  full_at = full_at - credit
  if full_at <= time then
    redis.call('DEL', state)
  else
    local keep = math.ceil((full_at - time) / 1000) + 1000
    redis.call('SET', state, string.format('%d', full_at), 'PX', string.format('%d', keep))
  end
  if redis.call('ZSCORE', turns, run) then
    redis.call('ZINCRBY', turns, -unused, run)
  end
end

-- While others wait, how long slots are held says when to ask for one: twice for each that should become free.
local function free(state, turns, wakes, count)
  local slots = tonumber(redis.call('HGET', state, worker) or '0')
  redis.call('HDEL', state, worker)
  if slots == 0 or redis.call('EXISTS', turns) == 0 then
    return slots
  end
  local took = math.min(time - admitted, LONGEST_HOLD) / count
  local known = redis.call('HGET', wakes, ':pace')
  local pace = known and known + (took / 2 - known) / WEIGHT or took / 2
  redis.call('HSET', wakes, ':pace', string.format('%d', math.floor(pace)), ':freed', string.format('%d', time))
  if redis.call('PTTL', wakes) < 60000 then
    redis.call('PEXPIRE', wakes, 60000)
  end
  return slots
end

for i = 1, #KEYS / 3 do
  local k, a = 3 * i - 2, 2 + 3 * i
  if ARGV[a] == 'rate' then
    hand_back(KEYS[k], KEYS[k + 1], ARGV[a + 1] + 0, ARGV[a + 2] + 0)
  else
    freed = freed + free(KEYS[k], KEYS[k + 1], KEYS[k + 2], ARGV[a + 1] + 0)
  end
end
return freed
