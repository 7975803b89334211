-- What is parked: '<why> <since> <wake> <note length>\n', the note, and the envelope of a continuation.
--
-- One that waits for a signal or a job (why: signal, note: its wait name) is also a member of the run's waits,
-- '<name>\n<since, 16 digits>\n<field>', so that in lexical order the longest wait for a name comes first.

-- Returns why, since, note and envelope; nil if it is damaged.
local function open_parked(text)
  local why, since, length, at = string.match(text, '^(%a+) (%d+) %d+ (%d+)\n()')
  if not why then
    return nil
  end
  local body = at + length
  return why, since, string.sub(text, at, body - 1), string.sub(text, body)
end

-- Under which name a paused run parks a continuation. One without records has no ordinal of its own, only a number.
local function paused_field(stage_name, envelope)
  local seq, ordinal, count = string.match(envelope, '^%d+ %S+ (%d+) (%d+) %d+ (%d+)')
  return stage_name .. ':' .. (count == '0' and '-' .. seq or ordinal)
end

-- A continuation that waits for a permit keeps its place in the window: a run waits with a window of them at most.
local function keeps_place(why)
  return why == 'rate' or why == 'limit'
end

local function wait_member(name, since, field)
  return name .. '\n' .. string.rep('0', 16 - #since) .. since .. '\n' .. field
end

-- The member that comes first of those that begin with this name, of the waits or of the signals; nil if there is none.
local function first_of(key, name)
  return redis.call('ZRANGEBYLEX', key, '[' .. name .. '\n', '(' .. name .. '\011', 'LIMIT', 0, 1)[1]
end
