-- Looks at what a run has where, and changes nothing. Of each thing it gives the header, never the body.
--
-- All that fits within the budget is seen at one moment. What does not is told where to go on, by a later call.
--
-- KEYS: run parked signals timers jobs parts...
--   parts: keys to go through, each from a place on
-- ARGV: run_id flow most volume kinds...
--   most, volume: how many things, and bytes of them, are looked at at most
--   kinds: of each part what it is and where to begin: 'parked', 'reorder' a cursor (0), 'backlog', 'waits' an index (0),
--   'stream' an entry ('-'; or '(' and one that is behind us), 'streams' the same, of any run's chunks, 'results' nothing
-- RETURNS: {the run's fields, of each part {where to go on, '' at its end; what was found}}; of what was found
--   parked: {field, header, note, envelope's header, its timer's time or ''} | reorder: {field, header, size}
--   | backlog: {header, size} | waits: {member, '1' if an answer to it was kept, of a job when it is looked at or ''}
--   | stream: {entry, envelope's header} | results: {the header of one, '' of the end or a halt}, the newest first

local things, size = most + 0, volume + 0

local function spend(body)
  things, size = things - 1, size - body
end

local function header(text)
  return string.match(string.sub(text, 1, 400), '^[^\n]*')
end

-- Goes through a hash; it may give a field twice.
local function scan(key, from, describe)
  local cursor, rows = from, {}
  repeat
    local page = redis.call('HSCAN', key, cursor, 'COUNT', 20)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      rows[#rows + 1] = describe(page[2][i], page[2][i + 1])
      spend(#page[2][i + 1])
    end
  until cursor == '0' or things <= 0 or size <= 0
  return cursor == '0' and '' or cursor, rows
end

local LOOKS = {}

function LOOKS.parked(key, from)
  return scan(key, from, function(field, text)
    local wake, length, at = string.match(text, '^%a+ %d+ (%d+) (%d+)\n()')
    if not wake then
      return {field, header(text), '', '', ''}
    end
    local timer = redis.call('ZSCORE', timers, run_id .. ' ' .. flow .. ' ' .. field)
    return {field, header(text), string.sub(text, at, at + math.min(length + 0, 400) - 1),
      header(string.sub(text, at + length, at + length + 400)), timer or ''}
  end)
end

function LOOKS.reorder(key, from)
  return scan(key, from, function(field, text)
    return {field, header(text), #text}
  end)
end

function LOOKS.backlog(key, from)
  local at, rows = from + 0, {}
  while things > 0 and size > 0 do
    local piece = redis.call('LINDEX', key, at)
    if not piece then
      return '', rows
    end
    at = at + 1
    rows[at - from] = {header(piece), #piece}
    spend(#piece)
  end
  return tostring(at), rows
end

function LOOKS.waits(key, from)
  local at, rows = from + 0, {}
  while things > 0 do
    local page = redis.call('ZRANGE', key, at, at + 99)
    for _, member in ipairs(page) do
      local name = header(member)
      local kept = redis.call('ZRANGEBYLEX', signals, '[' .. name .. '\n', '(' .. name .. '\011', 'LIMIT', 0, 1)[1]
      local job = string.sub(name, 1, 4) == 'job:' and redis.call('ZSCORE', jobs, run_id .. ' ' .. name)
      rows[#rows + 1] = {member, kept and '1' or '', job or ''}
      spend(#member)
    end
    at = at + #page
    if #page < 100 then
      return '', rows
    end
  end
  return tostring(at), rows
end

function LOOKS.stream(key, from, all)
  local rows, count = {}, 4
  while things > 0 and size > 0 do
    local page = redis.call('XRANGE', key, from, '+', 'COUNT', count)
    local before = size
    for _, entry in ipairs(page) do
      local bytes = 0
      for _, word in ipairs(entry[2]) do
        bytes = bytes + #word
      end
      spend(bytes)
      if entry[2][1] == 'e' then
        local head = header(entry[2][2])
        if all or string.match(head, '^1 (%S+) ') == run_id then
          rows[#rows + 1] = {entry[1], head}
        end
      end
    end
    if #page < count then
      return '', rows
    end
    from = '(' .. page[#page][1]
    -- one may be a quarter of a megabyte
    count = before - size < 131072 and math.min(count * 2, 64) or math.max(math.floor(count / 2), 1)
  end
  return from, rows
end

function LOOKS.streams(key, from)
  return LOOKS.stream(key, from, true)
end

function LOOKS.results(key)
  local rows = {}
  for i, entry in ipairs(redis.call('XREVRANGE', key, '+', '-', 'COUNT', 4)) do
    rows[i] = {entry[2][1] == 'e' and header(entry[2][2]) or ''}
    spend(#(entry[2][4] or ''))
  end
  return '', rows
end

local found = {redis.call('HGETALL', run)}
for i = 1, #KEYS - 5 do
  local from = ARGV[4 + 2 * i]
  local rows = {}
  if things > 0 and size > 0 then
    from, rows = LOOKS[ARGV[3 + 2 * i]](KEYS[5 + i], from)
  end
  found[#found + 1] = {from, rows}
end
return found
