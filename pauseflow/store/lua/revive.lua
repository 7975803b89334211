-- Makes a run of a dead letter: its record enters at its stage, as the only one, and flows on from there.
--
-- KEYS: run runs dead letters stream
--   run: of the new run; stream: of the letter's stage
-- ARGV: run_id now flow_name stage_names results_from digest leaves letter text envelope books_field missing...
--   stage_names, results_from: of the stages from the letter's on; leaves: how many of those are ends
--   letter: its name; text: the letter as it was read; envelope: a chunk of its record alone, the run's last there
--   missing: field and number, for stages that others lead to as well, which are not in this run: ends that never come
-- RETURNS: 1 the run is made, and the letter is gone | 0 there is no such letter | -1 it is not the one that was read
--   | -2 there is a run of this id
-- @include clock
-- @include books

local there = redis.call('HGET', letters, letter)
if not there then
  return 0
end
if there ~= text then
  return -1
end
if redis.call('EXISTS', run) == 1 then
  return -2
end
-- XADD comes first: a full server refuses the whole, and the letter stays.
redis.call('XADD', stream, '*', 'e', envelope)
local stage = {}
open_books(stage, '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0')
stage.given, stage.sent, stage.flying = 1, 1, 1
local time = clock(now)
redis.call('HSET', run, 'flow', flow_name, 'stages', stage_names, 'results_from', results_from,
  'digest', digest, 'leaves', leaves, 'state', 'running', 'closed', '1', 'position', 1,
  'created', string.format('%d', time), books_field, books_line(stage))
for i = 12, #ARGV, 2 do
  redis.call('HSET', run, ARGV[i], ARGV[i + 1])
end
redis.call('ZADD', runs, time, run_id)
redis.call('HDEL', letters, letter)
redis.call('ZREM', dead, letter)
return 1
