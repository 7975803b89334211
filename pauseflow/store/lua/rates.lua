-- Notes the recent rates of a run's stages, unless the run is gone.
--
-- KEYS: run
-- ARGV: text
-- RETURNS: 1 noted | 0 the run is gone

if redis.call('EXISTS', run) == 0 then
  return 0
end
redis.call('HSET', run, 'rates', text)
return 1
