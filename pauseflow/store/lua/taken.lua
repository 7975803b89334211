-- A reader has taken results up to an entry: makes room for more where the results need it.
--
-- KEYS: run results stages...
--   stages: stream, backlog, reorder of the stages whose outputs are results
-- ARGV: run_id upto position bytes_read results_limit kept keyed cast payload...
--   upto: the results entry that was read last; position: results read so far; bytes_read: as that entry counts them
--   kept: bytes of results that are kept although they were read
--   payload: 6 a stage of the cast (see pipeline)
-- RETURNS: 1 noted, and dropped what was read | 0 noted; the results have room, nothing is dropped | -1 no such run, or
--   its books are damaged
-- @include pipeline

local state, sound = open_run(run, run_id, 3, keyed + 0, 9, cast + 0, 1)
if not state or not sound then
  return -1
end
local read = tonumber(redis.call('HGET', run, 'results_read') or '0') or 0
if tonumber(position) > read then
  redis.call('HSET', run, 'results_read', position)
end
-- Zero: this was done just now for another stage whose outputs are results, and there may be room for this one too.
local more = tonumber(bytes_read) - flow.result_freed
if more < 0 or more > 0 and flow.result_bytes - flow.result_freed <= kept + 0 then
  return 0
end
if more > 0 then
  local ms, sequence = string.match(upto, '^(%d+)-(%d+)$')
  redis.call('XTRIM', results, 'MINID', ms .. '-' .. string.format('%d', tonumber(sequence) + 1))
  flow.result_freed = tonumber(bytes_read)
  redis.call('HSET', run, 'result_freed', bytes_read, 'results_dropped', position)
end
for i = 1, keyed + 0 do
  dispatch(flow.cast[i])
end
close_run()
return 1
