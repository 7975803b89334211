-- Sends a stage an empty chunk, whose commit dispatches what waits there and tells the next stages of an end that is due.
--
-- KEYS: run stream
-- ARGV: run_id field before
--   field, before: the stage's books, as they were seen
-- RETURNS: 1 sent | 0 the books are others by now, or the run does not go
-- @include books
-- @include lane

local found = redis.call('HMGET', run, 'state', field, 'priority')
local stage = {}
if found[1] ~= 'running' and found[1] ~= 'open' or found[2] ~= before or not open_books(stage, before) then
  return 0
end
redis.call('XADD', lane_of(stream, found[3]), '*', 'e',
  string.format('1 %s %d %d 0 0 0 0 0\n', run_id, stage.sent, stage.given))
stage.sent, stage.flying = stage.sent + 1, stage.flying + 1
redis.call('HSET', run, field, books_line(stage))
return 1
