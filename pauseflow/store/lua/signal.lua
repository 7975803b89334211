-- Gives an answer to the continuation that has waited longest for it, or keeps it for the first one that will.
--
-- KEYS: run parked waits signals timers stream quarantined counted
-- ARGV: run_id flow name member answer most limit
--   name: what is waited for; member: the first of the waits for it, as the caller has seen them, '' if there was none;
--   stream is that of its stage
--   answer: as Answer.pack writes it; most: how many answers the run keeps that nobody waits for
-- RETURNS: 1 woken | 2 kept | 0 look again: another one is the first now | -1 no such run | -2 the run is over
--   | -3 it keeps so many already
-- @include aside
-- @include books
-- @include parked
-- @include lane

local found = redis.call('HMGET', run, 'state', 'priority')
local state = found[1]
if not state then
  return -1
end
if state == 'done' or state == 'cancelled' then
  return -2
end
local first = first_of(waits, name)
if (first or '') ~= member then
  return 0
end
if not first then
  if redis.call('ZCARD', signals) >= tonumber(most) then
    return -3
  end
  local number = string.format('%016d', redis.call('HINCRBY', run, 'signals', 1))
  redis.call('ZADD', signals, 0, name .. '\n' .. number .. '\n' .. answer)
  return 2
end
local field = string.match(first, '^[^\n]*\n%d+\n(.*)$')
local stage_name = field and string.match(field, '^(.*):')
if not stage_name then
  redis.call('ZREM', waits, first)
  set_aside(quarantined, counted, limit, waits, name, 'a wait that is damaged', first)
  return 0
end
local text = redis.call('HGET', parked, field)
local why, _, note, envelope
if text then
  why, _, note, envelope = open_parked(text)
  if not why then
    -- nothing comes back to it, and its run can't go on any more
    redis.call('ZREM', waits, first)
    redis.call('ZREM', timers, run_id .. ' ' .. flow .. ' ' .. field)
    redis.call('HDEL', parked, field)
    spoilt(quarantined, counted, limit, run, parked, field, text)
    return 0
  end
end
local books_field, stage = 'b:' .. stage_name, {}
local line = redis.call('HGET', run, books_field)
if why ~= 'signal' or note ~= name or not line or not open_books(stage, line) then
  -- it does not wait any more
  redis.call('ZREM', waits, first)
  return 0
end
redis.call('XADD', lane_of(stream, found[2]), '*', 'e', envelope, 's', answer)
redis.call('HDEL', parked, field)
redis.call('ZREM', waits, first)
redis.call('ZREM', timers, run_id .. ' ' .. flow .. ' ' .. field)
stage.parked = stage.parked - 1
stage.flying = stage.flying + 1
redis.call('HSET', run, books_field, books_line(stage))
return 1
