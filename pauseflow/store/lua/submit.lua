-- Makes a run, with its first records or none yet. The same id again changes nothing.
--
-- KEYS: run results runs stages...
--   stages: stream, backlog, reorder of the first stage
-- ARGV: run_id now flow_name stage_names results_from digest leaves closed position results_limit pieces keyed cast payload...
--   stage_names: the names of the flow's stages in order; results_from: which of them emit results (see cast.py)
--   digest: of the input, 'open' for a fed run; leaves: how many ends make the run done
--   closed: '1' if these are all its records; position: how many records the pieces hold
--   payload: 6 a stage of the cast (see pipeline), then the pieces
-- RETURNS: {status, position, state}: status 1 made | 0 it was there, the same | -1 another flow | -2 another input
-- @include pipeline

local there = redis.call('HMGET', run, 'flow', 'digest', 'position', 'state')
if there[1] then
  local status = 0
  if there[1] ~= flow_name then
    status = -1
  elseif there[2] ~= digest then
    status = -2
  end
  return {status, tonumber(there[3]), there[4]}
end

open_run(run, run_id, 4, keyed + 0, 14, cast + 0, 1)
local next_arg = 14 + 6 * cast
local first = flow.cast[1]
flow.leaves = tonumber(leaves)
for i = next_arg, next_arg + tonumber(pieces) - 1 do
  arrive(first, ARGV[i], tonumber(string.match(ARGV[i], '^(%d+)')))
end
-- XADD comes first: a full server refuses the whole submission, and nothing is half done.
dispatch(first)
local time = clock(now)
local new_state = closed == '1' and 'running' or 'open'
redis.call('HSET', run, 'flow', flow_name, 'stages', stage_names, 'results_from', results_from,
  'digest', digest, 'state', new_state, 'position', position,
  'created', string.format('%d', time))
redis.call('ZADD', runs, time, run_id)
close_run()
return {1, tonumber(position), new_state}
