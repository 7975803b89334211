-- Puts parked continuations back into their stages' streams.
--
-- What is damaged is set aside, and its run halts: it can't go on any more.
--
-- KEYS: timers quarantined counted places...
--   places: run, parked, waits and stream of each stage of a run that has some
-- ARGV: reason limit items...
--   reason: only wake what is parked for this reason ('' any); limit: how much the quarantine keeps
--   items: of each place how many it has, then for each its name among the timers and in the parked hash
-- RETURNS: how many were woken; the others were not parked (any more), or for another reason, or are damaged
-- @include aside
-- @include books
-- @include parked
-- @include lane

local woken = 0

-- Wakes what is parked at one stage of a run. Returns how many kept their place in the window, how many did not, and
-- whether one had failed.
local function put_back(names, fields, run, parked, waits, stream)
  -- an error's text is in no number: then nothing is parked here
  local texts = redis.pcall('HMGET', parked, unpack(fields))
  local gone, over, placed, moved, failed = {}, {}, 0, 0, false
  for i = 1, #fields do
    local text = texts[i]
    local why, since, note, envelope
    if text then
      why, since, note, envelope = open_parked(text)
    end
    if not why then
      -- not there or damaged: no timer comes back to it
      over[#over + 1] = names[i]
      if text then
        gone[#gone + 1] = fields[i]
        spoilt(quarantined, counted, limit, run, parked, fields[i], text)
      end
    elseif reason == '' or reason == why then
      if why == 'signal' then
        redis.call('XADD', stream, '*', 'e', envelope, 's', 'timeout ' .. note .. '\n')
        redis.pcall('ZREM', waits, wait_member(note, since, fields[i]))
      else
        redis.call('XADD', stream, '*', 'e', envelope)
      end
      gone[#gone + 1], over[#over + 1] = fields[i], names[i]
      if keeps_place(why) then
        placed = placed + 1
      else
        moved = moved + 1
      end
      failed = failed or why == 'failed'
    end
  end
  if #gone > 0 then
    redis.call('HDEL', parked, unpack(gone))
  end
  if #over > 0 then
    redis.call('ZREM', timers, unpack(over))
  end
  return placed, moved, failed
end

local at, key = 3, 4
while KEYS[key] do
  local count = ARGV[at] + 0
  local names, fields = {}, {}
  for i = 1, count do
    names[i], fields[i] = ARGV[at + i * 2 - 1], ARGV[at + i * 2]
  end
  local run, books_field = KEYS[key], 'b:' .. string.match(fields[1], '^(.*):')
  local known = redis.pcall('HMGET', run, books_field, 'state', 'priority')
  local line, state, stage = known[1], known[2], {}
  if line and state ~= 'cancelled' and open_books(stage, line) then
    local stream = lane_of(KEYS[key + 3], known[3])
    local placed, moved, failed = put_back(names, fields, run, KEYS[key + 1], KEYS[key + 2], stream)
    woken = woken + placed + moved
    if moved > 0 then
      stage.parked = stage.parked - moved
      stage.flying = stage.flying + moved
      redis.call('HSET', run, books_field, books_line(stage))
    end
    if failed and state == 'halted' then
      local closed = redis.call('HMGET', run, 'closed', 'digest')
      local going = (closed[1] == '1' or closed[2] ~= 'open') and 'running' or 'open'
      redis.call('HSET', run, 'state', going)
    end
    if failed then
      redis.call('HDEL', run, 'error')
    end
  else
    redis.call('ZREM', timers, unpack(names))
  end
  at, key = at + 1 + count * 2, key + 4
end
return woken
