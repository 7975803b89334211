-- Appends records to an open run at a position, or closes it. Repeated, it adds nothing.
--
-- KEYS: run results room stages...
--   stages: stream, backlog, reorder of the first stage
-- ARGV: run_id position count closing results_limit pieces keyed cast payload...
--   position: how many records came before these; count: how many these are; closing: '1' for the last append
--   payload: 6 a stage of the cast (see pipeline), then the pieces
-- RETURNS: {status, position}: status 1 taken | 0 no room now: wait for the token in room | -1 no such run
--   | -2 the run's input is closed | -3 these records, or some of them, were taken before: go on at position
--   | -4 records between position and these are missing | -5 the run is cancelled
--   | -6 its books are damaged
-- @include pipeline

local state, sound = open_run(run, run_id, 4, keyed + 0, 9, cast + 0, 1)
local next_arg = 9 + 6 * cast
if not state then
  return {-1, 0}
end
local run_fields = redis.call('HMGET', run, 'position', 'closed', 'digest')
local taken = tonumber(run_fields[1])
if state == 'cancelled' then
  return {-5, taken}
end
if not sound or not taken then
  return {-6, 0}
end
local from = tonumber(position)
if from < taken then
  return {-3, taken}
end
if run_fields[2] == '1' or run_fields[3] ~= 'open' then
  return {-2, taken}
end
if from > taken then
  return {-4, taken}
end
local first = flow.cast[1]
if tonumber(count) > 0 and (first.waiting_items >= first.limit or first.waiting_bytes >= BACKLOG_BYTES) then
  redis.call('HSET', run, 'feeder', '1')
  return {0, taken}
end
for i = next_arg, next_arg + tonumber(pieces) - 1 do
  arrive(first, ARGV[i], tonumber(string.match(ARGV[i], '^(%d+)')))
end
dispatch(first)
taken = taken + tonumber(count)
redis.call('HSET', run, 'position', string.format('%d', taken))
if closing == '1' then
  redis.call('HSET', run, 'closed', '1')
  if state == 'open' then
    redis.call('HSET', run, 'state', 'running')
  end
end
redis.call('DEL', room)
close_run()
return {1, taken}
