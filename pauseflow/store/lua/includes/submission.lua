-- Makes a run, with its first records or none yet. The same id again changes nothing.
--
-- A script that includes this has what submit.lua has: the keys run, results and runs, and the arguments from run_id to
-- cast. The keys of the stages begin at KEYS[first_key], the payload at ARGV[first_arg].
-- Returns {status, position, state}: status 1 made | 0 it was there, the same | -1 another flow | -2 another input
-- @include pipeline

local function make_run(first_key, first_arg)
  local there = redis.call('HMGET', run, 'flow', 'digest', 'position', 'state')
  if there[1] then
    local status = 0
    if there[1] ~= flow_name then
      status = -1
    elseif there[2] ~= digest then
      status = -2
    end
    return {status, tonumber(there[3]) or 0, there[4]}
  end

  flow.priority = priority
  open_run(run, run_id, first_key, keyed + 0, first_arg, cast + 0, 1)
  local next_arg = first_arg + 6 * cast
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
  if priority ~= '' then
    redis.call('HSET', run, 'priority', priority)
  end
  redis.call('ZADD', runs, time, run_id)
  close_run()
  return {1, tonumber(position), new_state}
end
