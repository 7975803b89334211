-- The time in microseconds: the caller's if it names one (tests with a virtual clock), else the server's.
local function instant(given)
  local now = tonumber(given)
  if now > 0 then
    return now
  end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
