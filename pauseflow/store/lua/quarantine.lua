-- Sets an entry aside that is not ours or is damaged: out of the stream, into the quarantine with a reason.
--
-- KEYS: stream quarantined
-- ARGV: consumer entry reason limit
--   limit: how many entries the quarantine keeps, the newest
-- RETURNS: 1 set aside | 0 the entry is not this worker's any more

if #redis.call('XPENDING', stream, 'workers', entry, entry, 1, consumer) == 0 then
  return 0
end
local found = redis.call('XRANGE', stream, entry, entry)[1]
redis.call('XACK', stream, 'workers', entry)
redis.call('XDEL', stream, entry)
local body = ''
if found then
  body = string.sub(table.concat(found[2], '\n'), 1, 4096)
end
redis.call('XADD', quarantined, 'MAXLEN', limit, '*', 'stream', stream, 'entry', entry, 'reason', reason,
  'body', body)
return 1
