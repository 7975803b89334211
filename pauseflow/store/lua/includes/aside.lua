-- The quarantine: what can't be read is kept in part, the newest, and counted for good.

-- Sets something aside. Whatever has become of the quarantine itself, this does not fail.
local function set_aside(quarantined, counted, limit, place, name, reason, body)
  redis.pcall('INCRBY', counted, 1)
  redis.pcall('XADD', quarantined, 'MAXLEN', limit, '*', 'stream', place, 'entry', name, 'reason', reason,
    'body', string.sub(body, 1, 4096))
end

-- Sets aside what was parked and is damaged: its run halts, for it can't go on any more.
local function spoilt(quarantined, counted, limit, run, parked, field, text)
  set_aside(quarantined, counted, limit, parked, field, 'what was parked is damaged', text)
  redis.call('HSET', run, 'state', 'halted', 'error', 'what was parked as ' .. field
    .. ' is damaged, and was set aside')
end
