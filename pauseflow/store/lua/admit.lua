-- Decides which of a chunk's next records may run now, by the rates and limits that they stand under.
--
-- A rate is one number, the time at which it will have all its burst again (GCRA), so in no stretch of time are more
-- permits given than the burst and what the rate gives for the stretch. A limit is a hash of how many slots each worker
-- holds; those of a worker without a lease don't count.
--
-- KEYS: leases keys...
--   keys: of each rate and limit: its state (rate: string; limit: hash worker -> slots), turns, wakes
-- ARGV: run worker now lanes prefix items sources...
--   now: in µs, 0 the server's; lanes: records that the worker runs at once; prefix: 1 nothing after a refused one runs
--   items: ' <rate>:<limit>' for each record: which of the keys' triples, from 1, or 0 for none
--   sources: three for each triple: 'rate' interval_us burst | 'limit' count whole (1: all records are under this one)
-- RETURNS: {now in µs, lanes, for each item 0 it may run, or when to ask again in ms: of a rate > 0, of a limit < 0}
--   in a prefix the first refused one is the last
-- @include instant
-- @include turns

-- Longer than any record is at work in one go, and still an end to what nobody asks for again.
local WEEK = 604800000
local USUAL_PACE, QUICKEST_PACE, SLOWEST_PACE = 10000, 5000, 10000000

local time = instant(now)
local lane_count = lanes + 0
local sources = {}

local function open_rate(p, interval, burst)
  p.interval, p.burst = interval, burst
  local full_at = tonumber(redis.call('GET', p.state) or '0')
  p.full_since = full_at
  -- Not later than it can be: the rate may have been raised, or the server's clock set back.
  p.full_at = math.min(math.max(full_at, time), time + burst * interval)
  p.changed = full_at > p.full_at
  p.left = math.floor((time + burst * interval - p.full_at) / interval)
  p.next_at = math.max(p.full_at - (burst - 1) * interval, time)
  p.batch = math.max(1, math.floor(burst / 2))
end

local function open_limit(p, count, whole)
  p.slots = 0
  p.left = count
  local flat = redis.call('HGETALL', p.state)
  for i = 1, #flat, 2 do
    if flat[i] ~= worker then
      local ends = redis.call('ZSCORE', leases, flat[i])
      if ends and tonumber(ends) * 1000 > time then
        p.left = p.left - flat[i + 1]
      else
        redis.call('HDEL', p.state, flat[i])
      end
    end
  end
  local known = redis.call('HMGET', p.wakes, ':pace', ':freed')
  p.interval = math.min(math.max(tonumber(known[1] or USUAL_PACE), QUICKEST_PACE), SLOWEST_PACE)
  p.full_since = tonumber(known[2] or '0')
  p.next_at = time + p.interval
  p.batch = 1
  p.whole = whole
end

for i = 1, (#KEYS - 1) / 3 do
  local k, a = 3 * i - 1, 4 + 3 * i
  local p = {state = KEYS[k], turns = KEYS[k + 1], wakes = KEYS[k + 2], taken = 0, refused = false}
  if ARGV[a] == 'rate' then
    open_rate(p, ARGV[a + 1] + 0, ARGV[a + 2] + 0)
  else
    open_limit(p, ARGV[a + 1] + 0, ARGV[a + 2] == '1')
  end
  take_turn(p, run, time)
  p.lanes = lane_count
  if p.whole and p.left > 0 then
    p.lanes = math.min(lane_count, p.left)
    lane_count = p.lanes
  end
  sources[i] = p
end

local answer = {time, lane_count}
local _, left_items = string.gsub(items, ':', '')
for rate, limit in string.gmatch(items, '(%d+):(%d+)') do
  local r, l = sources[rate + 0], sources[limit + 0]
  local slot = l and l.slots < l.lanes
  local without = (slot and l.left < 1 and l) or (r and r.left < 1 and r) or nil
  if without then
    local permits = prefix == '1' and math.min(left_items, without.batch) or 1
    local at = math.ceil(ask_again_at(without, permits, time) / 1000)
    without.refused = true
    answer[#answer + 1] = without == r and at or -at
    if prefix == '1' then
      break
    end
  else
    if r then
      r.left, r.taken = r.left - 1, r.taken + 1
      r.full_at = r.full_at + r.interval
      r.next_at = math.max(r.full_at - (r.burst - 1) * r.interval, time)
    end
    if slot then
      l.left, l.slots = l.left - 1, l.slots + 1
    end
    if l then
      l.taken = l.taken + 1
    end
    answer[#answer + 1] = 0
  end
  left_items = left_items - 1
end

for _, p in ipairs(sources) do
  if p.burst and (p.taken > 0 or p.changed) then
    local keep = math.ceil((p.full_at - time) / 1000) + 1000
    redis.call('SET', p.state, string.format('%d', p.full_at), 'PX', string.format('%d', keep))
  elseif p.slots and p.slots > 0 then
    redis.call('HSET', p.state, worker, p.slots)
    redis.call('PEXPIRE', p.state, WEEK)
  end
  if p.taken > 0 or p.refused then
    end_turn(p, run, time, p.taken, p.refused)
  end
end
return answer
