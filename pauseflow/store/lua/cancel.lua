-- Cancels a run: it ends where it stands, and what it holds goes. Its results so far stay for as long as a done run's.
--
-- What is parked stays too, until whoever called this has taken its names out of the timers; nothing wakes it.
--
-- KEYS: run results parked room expiring held runs telling telling_stream others...
--   telling, telling_stream: the run that tells the flow's on_cancel, and its stream
--   others: the run's keys that go at once
-- ARGV: run_id now keep telling_id telling_flow envelope
--   keep: of a run that is over, in ms; telling_id: '' if the flow has no on_cancel; envelope: its only chunk
-- RETURNS: 1 cancelled | 0 it was cancelled before | -1 no such run | -2 it is done | -4 there is a run telling_id
-- @include clock
-- @include books
-- @include holding

local state = redis.call('HGET', run, 'state')
if not state then
  return -1
elseif state == 'done' then
  return -2
elseif state == 'cancelled' then
  return 0
elseif telling_id ~= '' and redis.call('EXISTS', telling) == 1 then
  return -4
end
-- UNLINK comes first: a full server refuses no script that begins like this.
for i = 10, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
local time = clock(now)
local stamp = string.format('%d', time)
redis.call('HSET', run, 'state', 'cancelled', 'finished', stamp)
redis.call('XADD', results, '*', 'end', 'cancelled')
for _, key in ipairs({run, results, parked}) do
  redis.call('PEXPIRE', key, keep)
end
redis.call('ZADD', expiring, time + keep, run_id)
note_held(held, 'run:' .. run_id, 'cancelled')
-- a feeder that waits finds out now
redis.call('LPUSH', room, '1')
redis.call('PEXPIRE', room, 60000)
if telling_id ~= '' then
  local stage = {}
  open_books(stage, '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0')
  stage.given, stage.sent, stage.flying = 1, 1, 1
  redis.call('XADD', telling_stream, '*', 'e', envelope)
  redis.call('HSET', telling, 'flow', telling_flow, 'stages', 'on_cancel', 'results_from', '', 'digest', 'cancelled',
    'leaves', 1, 'state', 'running', 'closed', '1', 'position', 1, 'created', stamp, 'b:on_cancel', books_line(stage))
  redis.call('ZADD', runs, time, telling_id)
end
return 1
