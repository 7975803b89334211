-- Lets a paused run go on. What is parked as paused is to be woken after it.
--
-- A stage with a backlog may have nothing in flight, so that no commit would ever dispatch it: it is sent an empty
-- chunk, and the worker that commits it, who knows the flow, dispatches whatever may go.
--
-- KEYS: run held streams...
--   streams: of each of the run's stages
-- ARGV: run_id stages...
--   stages: their names
-- RETURNS: 1 it goes on | 2 it goes on, halted as it is | 0 it was not paused | -1 no such run | -2 it is done
--   | -3 it is cancelled
-- @include books
-- @include holding
-- @include lane

local fields = redis.call('HMGET', run, 'state', 'error', 'closed', 'digest', 'priority')
local state, error = fields[1], fields[2]
if not state then
  return -1
elseif state == 'cancelled' then
  return -3
end
note_held(held, 'run:' .. run_id, '')
if state ~= 'paused' then
  return state == 'done' and -2 or 0
end

local function push(stream, name)
  local line = redis.call('HGET', run, 'b:' .. name)
  if not line then
    return
  end
  local stage = {}
  if open_books(stage, line) and stage.waiting > 0 then
    redis.call('XADD', lane_of(stream, fields[5]), '*', 'e', string.format('1 %s %d %d 0 0 0 0 0\n', run_id, stage.sent, stage.given))
    stage.sent, stage.flying = stage.sent + 1, stage.flying + 1
    redis.call('HSET', run, 'b:' .. name, books_line(stage))
  end
end

for i = 2, #ARGV do
  push(KEYS[i + 1], ARGV[i])
end
if error then
  redis.call('HSET', run, 'state', 'halted')
  return 2
end
redis.call('HSET', run, 'state', (fields[3] == '1' or fields[4] ~= 'open') and 'running' or 'open')
return 1
