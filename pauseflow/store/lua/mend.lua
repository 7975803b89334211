-- Writes the books of a stage, or another count of the run, anew if they are still as they were when it was recounted.
--
-- Whatever comes to a stage or leaves it is written into its books by the same script: the same books, the same stage.
--
-- KEYS: run
-- ARGV: field before after
-- RETURNS: 1 written | 0 the books are others by now, or the run is over, or gone

local found = redis.call('HMGET', run, 'state', field)
if not found[1] or found[1] == 'done' or found[1] == 'cancelled' or found[2] ~= before then
  return 0
end
redis.call('HSET', run, field, after)
return 1
