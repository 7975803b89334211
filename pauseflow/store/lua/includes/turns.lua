-- Whose turn it is among the runs that wait for permits of one rate or limit, and when each should ask again.
--
-- A permit source p has p.turns (zset: run -> permits that it had, counted from the run that had fewest) and p.wakes
-- (hash: run -> when its last parked record will ask), both only while runs compete; p.interval is the time from one
-- permit to the next, p.left how many there are now, p.next_at when the next comes, p.full_since since when no more
-- could be saved up; p.competing is how many other runs there are. Whoever had least goes first; nothing is reserved,
-- so a permit that nobody fetches is for anybody.

-- How late the record of a run whose turn it is may ask before the run is passed over.
local LATE = 200000
local SHORTEST_PATIENCE, LONGEST_PATIENCE = 20000, 500000
-- So many permits a run may be ahead of the one that had fewest, lest many runs wait for a single one.
local AHEAD = 1
-- So many competitors may ask for each permit; with more, each asks more seldom.
local COMPETITORS = 8
local PASSED_OVER = 32
-- Nobody waits longer without asking, so that a rate that is raised, and a clock that is set back, are soon noticed.
local LONGEST_WAIT = 3600000000

local function passed_over(p, run)
  redis.call('ZREM', p.turns, run)
  redis.call('HDEL', p.wakes, run)
  p.competing = p.competing - 1
end

-- Finds out whether another run goes first; then nothing is left for this one.
local function take_turn(p, run, time)
  p.competing, p.had = redis.call('ZCARD', p.turns), 0
  if p.competing == 0 then
    return
  end
  local own = redis.call('ZSCORE', p.turns, run)
  if own then
    p.known, p.competing = true, p.competing - 1
  end
  p.planned = tonumber(redis.call('HGET', p.wakes, run))
  local first, least
  for _ = 1, PASSED_OVER do
    local head = redis.call('ZRANGE', p.turns, 0, 0, 'WITHSCORES')
    first, least = head[1], tonumber(head[2] or '0')
    if not first or first == run then
      break
    end
    local asks_at = redis.call('HGET', p.wakes, first)
    if asks_at and tonumber(asks_at) + LATE >= time then
      break
    end
    passed_over(p, first)
  end
  p.had = own and tonumber(own) or least
  if not first or first == run or p.had <= least + AHEAD or p.left < 1 then
    return
  end
  local patience = math.min(math.max(p.interval, SHORTEST_PATIENCE), LONGEST_PATIENCE)
  if time - p.full_since >= patience then
    passed_over(p, first)
  else
    p.left = 0
  end
end

-- When a record that gets no permit should ask again: after those of its run that wait already, an interval each.
local function ask_again_at(p, permits, time)
  local soon = p.next_at - time
  if permits == 1 and not p.soon and soon > 0 and soon * 2 < p.interval then
    -- It is nearly there: rather than lose its place to the end of the line, it comes back for it.
    p.soon = true
    p.planned = math.max(p.planned or 0, p.next_at)
    return p.next_at
  end
  local crowd, spacing = (p.competing + 1) / COMPETITORS, p.interval
  -- Some sooner and some later, for those that were refused together should not meet again.
  local spread = 0.5 + (time % 1000000) * 0.6180339887 % 1
  if crowd > 1 then
    spacing = p.interval * math.max(1, crowd * spread)
  end
  local at = math.floor(math.max(p.planned or 0, p.next_at - p.interval) + spacing * permits)
  p.planned = math.min(at, math.floor(time + LONGEST_WAIT * spread))
  return p.planned
end

-- Keeps what competing runs need to know: how much this one had, and when it asks again.
local function end_turn(p, run, time, taken, refused)
  local waits = refused or (p.planned and p.planned > time)
  if p.competing == 0 and not waits then
    if not p.known then
      return
    end
    redis.call('ZREM', p.turns, run)
    redis.call('HDEL', p.wakes, run)
    return
  end
  redis.call('ZADD', p.turns, string.format('%d', p.had + taken), run)
  local keep = 60000
  if waits then
    redis.call('HSET', p.wakes, run, string.format('%d', p.planned))
    keep = keep + math.ceil((p.planned - time) / 1000)
  else
    redis.call('HDEL', p.wakes, run)
  end
  for _, key in ipairs({p.turns, p.wakes}) do
    if redis.call('PTTL', key) < keep then
      redis.call('PEXPIRE', key, string.format('%d', keep))
    end
  end
end
