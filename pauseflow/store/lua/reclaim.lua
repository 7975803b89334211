-- Puts the pending entries of a worker whose lease has ended back into a stage's stream, crash count raised.
--
-- KEYS: leases stream
-- ARGV: worker now count
-- RETURNS: how many entries were put back (and maybe more are left if it is count) | -1 the worker lives
-- @include clock
-- @include readable

local lease = redis.call('ZSCORE', leases, worker)
if lease and tonumber(lease) > clock(now) then
  return -1
end
local pending = redis.call('XPENDING', stream, 'workers', '-', '+', count, worker)
for _, item in ipairs(pending) do
  local id = item[1]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  -- First, since a full server refuses a script that begins by adding something.
  redis.call('XACK', stream, 'workers', id)
  redis.call('XDEL', stream, id)
  if entry then
    local fields = entry[2]
    local head, crashes, tail = string.match(fields[2], '^(%d+ %S+ %d+ %d+) (%d+)( .*)$')
    if fields[1] == 'e' and head then
      fields[2] = head .. ' ' .. string.format('%d', tonumber(crashes) + 1) .. tail
    end
    redis.call('XADD', stream, '*', unpack(readable(fields)))
  end
end
if #pending < tonumber(count) then
  redis.call('XGROUP', 'DELCONSUMER', stream, 'workers', worker)
end
return #pending
