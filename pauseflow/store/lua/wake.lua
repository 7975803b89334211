-- Puts one parked continuation back into its stage's stream.
--
-- KEYS: timers run parked stream
-- ARGV: timer field books_field why
--   timer: its name among the timers; field: the continuation's name in the parked hash; why: only wake it if it is parked for this reason ('' any)
-- RETURNS: 1 woken | 0 it was not parked (any more), or for another reason, or is damaged
-- @include books

local text = redis.call('HGET', parked, field)
if not text then
  redis.call('ZREM', timers, timer)
  return 0
end
local reason, note_length, at = string.match(text, '^(%a+) %d+ %d+ (%d+)\n()')
if not reason then
  -- not ours or damaged: it stays for a person to look at, but no timer comes back to it
  redis.call('ZREM', timers, timer)
  return 0
end
if why ~= '' and why ~= reason then
  return 0
end
local line = redis.call('HGET', run, books_field)
if not line then
  redis.call('ZREM', timers, timer)
  return 0
end
redis.call('XADD', stream, '*', 'e', string.sub(text, at + tonumber(note_length)))
redis.call('HDEL', parked, field)
redis.call('ZREM', timers, timer)
local stage = {}
open_books(stage, line)
stage.parked = stage.parked - 1
stage.flying = stage.flying + 1
redis.call('HSET', run, books_field, books_line(stage))
if reason == 'failed' and redis.call('HGET', run, 'state') == 'halted' then
  local closed = redis.call('HMGET', run, 'closed', 'digest')
  local going = (closed[1] == '1' or closed[2] ~= 'open') and 'running' or 'open'
  redis.call('HSET', run, 'state', going)
  redis.call('HDEL', run, 'error')
end
return 1
