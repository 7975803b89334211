-- Moves something else out of the way that has the name of a stage's stream.
--
-- KEYS: stream displaced quarantined counted
--   displaced: its new name; what was displaced there before goes
-- ARGV: limit
-- RETURNS: 1 moved | 0 there is a stream, or nothing
-- @include aside

if type(redis.pcall('XLEN', stream)) == 'number' then
  return 0
end
redis.call('RENAME', stream, displaced)
set_aside(quarantined, counted, limit, stream, '-', 'it was no stream, and is called ' .. displaced .. ' now', '')
return 1
