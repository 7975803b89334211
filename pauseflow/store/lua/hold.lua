-- Holds a flow or a stage, or lets it go: workers learn of it with their heartbeat.
--
-- KEYS: held
-- ARGV: field value
--   value: '' to let it go
-- RETURNS: 1 done | 0 it was so already
-- @include holding

return note_held(held, field, value) and 1 or 0
