-- Starts the run of a schedule's tick and notes the tick, unless another coordinator was faster.
--
-- The note is what makes it one run a tick: a coordinator that stood still since it looked starts nothing, even if the
-- run that another one has started is done and forgotten by now.
--
-- KEYS: ticks run results runs stages...
-- ARGV: schedule expected noted run_id now flow_name stage_names results_from digest leaves closed priority position results_limit pieces keyed cast payload...
--   schedule, expected, noted: see begin; the others: see submit
-- RETURNS: as submit; or {-3, 0, ''} the note is another one by now. The tick is noted whatever became of the run.
-- @include submission

if (redis.call('HGET', ticks, schedule) or '') ~= expected then
  return {-3, 0, ''}
end
local made = make_run(5, 18)
redis.call('HSET', ticks, schedule, noted)
return made
