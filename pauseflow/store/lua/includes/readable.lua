-- The fields of an entry that is put back. One with more of them than any of ours has is no chunk, and may have more than
-- a call can take: enough of it goes back to be set aside.
local function readable(fields)
  if #fields <= 8 then
    return fields
  end
  return {'much', string.sub(table.concat(fields, '\n'), 1, 4096)}
end
