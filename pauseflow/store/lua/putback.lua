-- Puts a member back into a sorted set if what it stands for is still there.
--
-- KEYS: target holder
--   holder: a hash that has what the member stands for
-- ARGV: member score field head
--   head: how the field's value begins
-- RETURNS: 1 put back | 0 it is there, or what it stands for is not, or is another

local value = redis.call('HGET', holder, field)
if not value or string.sub(value, 1, #head) ~= head then
  return 0
end
return redis.call('ZADD', target, 'NX', score, member)
