-- Puts parked continuations back into their stages' streams.
--
-- KEYS: timers places...
--   places: run, parked, waits and stream of each continuation
-- ARGV: reason items...
--   reason: only wake what is parked for this reason ('' any)
--   items: of each continuation its name among the timers, in the parked hash, and its stage's books field
-- RETURNS: how many were woken; the others were not parked (any more), or for another reason, or are damaged
-- @include books
-- @include parked

local woken, all_books = 0, {}

local function wake(timer, field, books_field, run, parked, waits, stream)
  local text = redis.call('HGET', parked, field)
  local why, since, note, envelope
  if text then
    why, since, note, envelope = open_parked(text)
  end
  local cached = all_books[run .. books_field]
  local line = cached or (why and redis.call('HGET', run, books_field))
  if not why or not line then
    -- gone, damaged or of a run that is gone: no timer comes back to it
    redis.call('ZREM', timers, timer)
    return
  end
  if reason ~= '' and reason ~= why then
    return
  end
  if why == 'signal' then
    redis.call('XADD', stream, '*', 'e', envelope, 's', 'timeout ' .. note .. '\n')
    redis.call('ZREM', waits, wait_member(note, since, field))
  else
    redis.call('XADD', stream, '*', 'e', envelope)
  end
  redis.call('HDEL', parked, field)
  redis.call('ZREM', timers, timer)
  woken = woken + 1
  local stage = cached
  if not stage then
    stage = {run = run, field = books_field}
    open_books(stage, line)
    all_books[run .. books_field] = stage
    all_books[#all_books + 1] = stage
  end
  if not keeps_place(why) then
    stage.parked = stage.parked - 1
    stage.flying = stage.flying + 1
  end
  if why == 'failed' then
    stage.failed = true
  end
end

for i = 1, (#ARGV - 1) / 3 do
  wake(ARGV[i * 3 - 1], ARGV[i * 3], ARGV[i * 3 + 1], KEYS[i * 4 - 2], KEYS[i * 4 - 1], KEYS[i * 4], KEYS[i * 4 + 1])
end
for _, stage in ipairs(all_books) do
  redis.call('HSET', stage.run, stage.field, books_line(stage))
  if stage.failed and redis.call('HGET', stage.run, 'state') == 'halted' then
    local closed = redis.call('HMGET', stage.run, 'closed', 'digest')
    local going = (closed[1] == '1' or closed[2] ~= 'open') and 'running' or 'open'
    redis.call('HSET', stage.run, 'state', going)
    redis.call('HDEL', stage.run, 'error')
  end
end
return woken
