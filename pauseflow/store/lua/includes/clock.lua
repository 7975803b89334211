-- The time in milliseconds: the caller's if it names one (tests with a virtual clock), else the server's,
-- so that hosts whose clocks differ agree on leases and timers.
local function clock(given)
  local now = tonumber(given)
  if now > 0 then
    return now
  end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
