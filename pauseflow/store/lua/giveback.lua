-- A worker returns entries that it has not worked on: they go back into the stream as they were.
--
-- KEYS: stream
-- ARGV: consumer entries...
-- RETURNS: how many were put back; the others were not this worker's any more
-- @include readable

local put_back = 0
for i = 2, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', stream, 'workers', id, id, 1, consumer) > 0 then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    -- First, since a full server refuses a script that begins by adding something.
    redis.call('XACK', stream, 'workers', id)
    redis.call('XDEL', stream, id)
    if entry then
      redis.call('XADD', stream, '*', unpack(readable(entry[2])))
    end
    put_back = put_back + 1
  end
end
return put_back
