-- Makes a run, with its first records or none yet. The same id again changes nothing.
--
-- KEYS: run results runs stages...
--   stages: stream, backlog, reorder of the first stage
-- ARGV: run_id now flow_name stage_names results_from digest leaves closed priority position results_limit pieces keyed cast payload...
--   stage_names: the names of the flow's stages in order; results_from: which of them emit results (see cast.py)
--   digest: of the input, 'open' for a fed run; leaves: how many ends make the run done
--   closed: '1' if these are all its records; position: how many records the pieces hold
--   payload: 6 a stage of the cast (see pipeline), then the pieces
-- RETURNS: {status, position, state}: status 1 made | 0 it was there, the same | -1 another flow | -2 another input
-- @include submission

return make_run(4, 15)
