-- Notes from when on a schedule is seen to, or up to when, unless another coordinator was faster.
--
-- KEYS: ticks
-- ARGV: schedule expected noted
--   expected: the schedule's note as the caller knows it, '' if it has none; noted: the new one
-- RETURNS: 1 noted | 0 the note is another one by now

if (redis.call('HGET', ticks, schedule) or '') ~= expected then
  return 0
end
redis.call('HSET', ticks, schedule, noted)
return 1
