-- Finds the members of a sorted set that stand for nothing. It changes nothing.
--
-- KEYS: target holder
--   holder: a hash that has what the members stand for
-- ARGV: pairs...
--   pairs: members, each with its field of the hash
-- RETURNS: the members that are there, and whose field is not

local found = {}
for i = 1, #ARGV, 2 do
  if not redis.call('HGET', holder, ARGV[i + 1]) and redis.call('ZSCORE', target, ARGV[i]) then
    found[#found + 1] = ARGV[i]
  end
end
return found
