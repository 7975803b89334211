-- Takes a member out of a sorted set if what it stands for is not there.
--
-- KEYS: target holder
--   holder: a hash that would have what the member stands for
-- ARGV: member field head
--   head: how the field's value would begin
-- RETURNS: 1 taken out | 0 it is not there, or what it stands for is

local value = redis.call('HGET', holder, field)
if value and string.sub(value, 1, #head) == head then
  return 0
end
return redis.call('ZREM', target, member)
