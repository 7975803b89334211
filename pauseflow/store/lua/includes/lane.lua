-- The stream of a stage that a run's chunks go to: each priority but the normal one has a lane of its own.
--
-- The lane's name begins with the stream's, so it has the same hash tag.
local function lane_of(stream, priority)
  if priority == 'high' or priority == 'low' then
    return stream .. ':' .. priority
  end
  return stream
end
