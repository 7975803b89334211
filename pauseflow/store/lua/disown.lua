-- Forgets what is left of a run that is gone.
--
-- KEYS: run runs expiring held leftovers...
--   leftovers: keys of the run
-- ARGV: run_id
-- RETURNS: 1 forgotten | 0 there is such a run
-- @include holding

if redis.call('EXISTS', run) == 1 then
  return 0
end
for i = 5, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
redis.call('ZREM', runs, run_id)
redis.call('ZREM', expiring, run_id)
note_held(held, 'run:' .. run_id, '')
return 1
