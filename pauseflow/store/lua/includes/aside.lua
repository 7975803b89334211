-- The quarantine: what can't be read is kept in part, the newest, and counted for good.

-- Sets something aside. Whatever has become of the quarantine itself, this does not fail.
local function set_aside(quarantined, counted, limit, place, name, reason, body)
  redis.pcall('INCRBY', counted, 1)
  redis.pcall('XADD', quarantined, 'MAXLEN', limit, '*', 'stream', place, 'entry', name, 'reason', reason,
    'body', string.sub(body, 1, 4096))
end
