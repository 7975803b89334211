-- Drops dead letters.
--
-- KEYS: dead letters
-- ARGV: names...
-- RETURNS: how many were there

local dropped = 0
for i = 1, #ARGV do
  local listed = redis.call('ZREM', dead, ARGV[i])
  local kept = redis.call('HDEL', letters, ARGV[i])
  dropped = dropped + math.max(listed, kept)
end
return dropped
