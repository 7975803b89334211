-- Sets the records aside that a run halted at, and lets it go on behind them.
--
-- KEYS: run parked dead letters streams...
--   streams: of the stage of each continuation
-- ARGV: now last items...
--   now: in ms, when the letters are dated; last: '1' if these are all that failed: then the run is not halted any more
--   items: six for each continuation: its name among the parked, its text as it was read, its stage's books field,
--   the envelope of what is behind its first record, and the name and text of that record's letter
-- RETURNS: how many were skipped | 0 one is not parked any more as it was read, and none was skipped | -1 no such run
--   | -2 the run is over
-- @include books
-- @include lane
-- @include parked

local run_fields = redis.call('HMGET', run, 'state', 'closed', 'digest', 'priority')
local state = run_fields[1]
if not state then
  return -1
end
if state == 'done' or state == 'cancelled' then
  return -2
end
local count = (#ARGV - 2) / 6
local all_books = {}
for i = 0, count - 1 do
  local field, text, books_field = ARGV[3 + 6 * i], ARGV[4 + 6 * i], ARGV[5 + 6 * i]
  if redis.call('HGET', parked, field) ~= text then
    return 0
  end
  if not all_books[books_field] then
    local line = redis.call('HGET', run, books_field)
    if not line then
      return 0
    end
    local stage = {}
    if not open_books(stage, line) then
      return 0
    end
    all_books[books_field] = stage
  end
end

for i = 0, count - 1 do
  local field, stage = ARGV[3 + 6 * i], all_books[ARGV[5 + 6 * i]]
  local envelope, letter, letter_text = ARGV[6 + 6 * i], ARGV[7 + 6 * i], ARGV[8 + 6 * i]
  if state == 'paused' then
    redis.call('HSET', parked, paused_field(string.match(field, '^(.*):'), envelope),
      string.format('paused %d 0 0\n', now + 0) .. envelope)
  else
    redis.call('XADD', lane_of(KEYS[5 + i], run_fields[4]), '*', 'e', envelope)
    stage.parked, stage.flying = stage.parked - 1, stage.flying + 1
  end
  redis.call('HDEL', parked, field)
  redis.call('ZADD', dead, now, letter)
  redis.call('HSET', letters, letter, letter_text)
end
redis.call('HINCRBY', run, 'dead', count)
for books_field, stage in pairs(all_books) do
  redis.call('HSET', run, books_field, books_line(stage))
end
if last == '1' then
  if state == 'halted' then
    local going = (run_fields[2] == '1' or run_fields[3] ~= 'open') and 'running' or 'open'
    redis.call('HSET', run, 'state', going)
  end
  redis.call('HDEL', run, 'error')
end
return count
