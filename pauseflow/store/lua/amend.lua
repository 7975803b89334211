-- Puts another text in the place of a dead letter's.
--
-- KEYS: letters
-- ARGV: letter before after
--   before: the letter as it was read
-- RETURNS: 1 done | 0 there is no such letter | -1 it is not the one that was read

local there = redis.call('HGET', letters, letter)
if not there then
  return 0
end
if there ~= before then
  return -1
end
redis.call('HSET', letters, letter, after)
return 1
