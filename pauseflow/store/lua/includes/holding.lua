-- What is held: a hash of runs, flows and stages, and how often it has changed, which is all that a worker asks for
-- with each heartbeat.

-- Notes what is held, '' for what is not any more. Returns whether that is news.
local function note_held(key, field, value)
  -- A full server refuses a script whose first write needs memory; it must not keep anyone from holding what fills it.
  local removed = redis.call('HDEL', key, value == '' and field or '')
  if value == '' and removed == 0 or value ~= '' and redis.call('HGET', key, field) == value then
    return false
  end
  if value ~= '' then
    redis.call('HSET', key, field, value)
  end
  redis.call('HINCRBY', key, 'changes', 1)
  return true
end
