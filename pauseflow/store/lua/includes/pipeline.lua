-- How chunks move through a run's stages: arrive, dispatch, emit, hold, drain.
--
-- A piece is '<count> <marks> <ended> <outlet>\n' and count items, one after another. Pieces wait in a backlog.
-- An envelope is '1 <run> <seq> <ordinal> <crashes> <count> <marks> <ended> <frames>\n', frames bytes of frames,
-- and the items. Envelopes are stream entries (field e); one without items in it has them in a piece (field p), whose
-- own header does not count. In a backlog a continuation is '!' and its envelope.
--
-- A script that includes this has the results stream's key and limit as `results` and `results_limit`.
--
-- The cast is the list of stages that a script may touch: first those with keys (they can dispatch), then those
-- whose backlog only decides whether there is room; false stands for one that has nothing to dispatch.
-- @include clock
-- @include books
-- @include lane

local PIECE = '^(%d+) (%d+) (%d) (%d+)\n()'
local CHUNK_BYTES = 262144
local BACKLOG_BYTES = 4194304

local flow = {cast = {}, touched = {}}

-- Notes that a stage's books have changed.
local function touch(stage)
  if not stage.dirty then
    stage.dirty = true
    flow.touched[#flow.touched + 1] = stage
  end
end


-- A stage that can dispatch: keys from KEYS[k], arguments from ARGV[a].
local function new_stage(k, a)
  local outlets, shared = {}, nil
  for outlet, inlets in string.gmatch(ARGV[a + 5], '(%d+)%+?(%d*)') do
    outlets[#outlets + 1] = outlet + 0
    if inlets ~= '' then
      shared = shared or {}
      shared[#outlets] = inlets + 0
    end
  end
  return {
    field = ARGV[a], window = ARGV[a + 1] + 0, limit = ARGV[a + 2] + 0, target = ARGV[a + 3] + 0,
    ordered = ARGV[a + 4] == '1', outlets = outlets, shared = shared, stream = lane_of(KEYS[k], flow.priority), backlog = KEYS[k + 1],
    reorder = KEYS[k + 2], fresh = false, fresh_at = 1, fresh_end = 0, stored = 0, dirty = false,
    waiting = 0, waiting_items = 0, waiting_bytes = 0, stalled = 0, given = 0, sent = 0, cursor = 0,
    flying = 0, held = 0, held_items = 0, held_bytes = 0, parked = 0, ended = 0, done = 0, emitted = 0,
    busy = 0,
  }
end

-- Sends an entry to a stage's stream. Returns whether it is sent: not if something else has the stream's name, which a
-- worker of the stage will move away. Any other error is the script's, and comes before its first write.
local function send(stage, ...)
  local sent = redis.pcall('XADD', stage.stream, '*', ...)
  if type(sent) == 'table' and sent.err then
    if string.find(sent.err, 'WRONGTYPE', 1, true) then
      return false
    end
    error(sent.err, 0)
  end
  return true
end

-- What waits at a stage can't be read: a worker will set it aside, and the run halts, for it has lost something.
local function spoilt(stage, text)
  send(stage, 'e', text)
  redis.call('HSET', flow.key, 'state', flow.paused and 'paused' or 'halted',
    'error', 'what waits at stage ' .. string.sub(stage.field, 3) .. ' is damaged, and was set aside')
  redis.pcall('XADD', results, '*', 'halt', '1')
end

-- Reads the run's fields and the books of the cast in one call, and makes the cast.
--
-- keys: stream, backlog, reorder of each of the first `keyed` stages, from KEYS[first_key] on.
-- args: books field, window, limit, target, ordered, outlets ('2,0') of each stage, from ARGV[first_arg] on.
-- Of the keyed stages after the first `whole`, those with nothing to dispatch are left out of the cast.
-- Returns the run's state, false if there is no run; and whether its books can be read.
local function open_run(run_key, run_id, first_key, keyed, first_arg, size, whole)
  local names = {'state', 'leaves', 'results', 'result_bytes', 'result_freed', 'feeder', 'priority', 'kept'}
  for i = 1, size do
    names[8 + i] = ARGV[first_arg + (i - 1) * 6]
  end
  local values = redis.call('HMGET', run_key, unpack(names))
  flow.key, flow.id = run_key, run_id
  local a, b, c, d = tonumber(values[2] or 0), tonumber(values[3] or 0), tonumber(values[4] or 0), tonumber(values[5] or 0)
  local sound = a and b and c and d
  flow.leaves, flow.results, flow.result_bytes, flow.result_freed = a or 0, b or 0, c or 0, d or 0
  flow.feeder = values[6] == '1'
  flow.before_results, flow.before_leaves = flow.results, flow.leaves
  -- nothing is dispatched in a run that is over, either
  flow.priority = flow.priority or values[7]
  flow.kept = values[8]
  flow.paused = values[1] == 'paused' or values[1] == 'cancelled'
  local cast = flow.cast
  for i = 1, size do
    local line, a = values[8 + i], first_arg + (i - 1) * 6
    if i > keyed then
      local _, items, bytes
      if line then
        _, items, bytes = string.match(line, BACKLOG_BOOKS)
        sound = sound and bytes
      end
      cast[i] = {limit = ARGV[a + 2] + 0, waiting_items = (items or 0) + 0, waiting_bytes = (bytes or 0) + 0}
    elseif i <= whole or (line and string.sub(line, 1, 2) ~= '0 ') then
      local stage = new_stage(first_key + (i - 1) * 3, a)
      if line then
        sound = open_books(stage, line) and sound
        stage.stored = stage.waiting
      end
      cast[i] = stage
    else
      cast[i] = false
    end
  end
  return values[1], sound
end

local function has_room(stage, at_cursor)
  local outlets = stage.outlets
  local held_items, held_bytes = stage.held_items, stage.held_bytes
  if at_cursor then
    held_items, held_bytes = 0, 0
  end
  for i = 1, #outlets do
    local outlet = outlets[i]
    if outlet == 0 then
      if flow.result_bytes - flow.result_freed + held_bytes >= results_limit + 0 then
        return false
      end
    else
      local next_stage = flow.cast[outlet]
      if next_stage.waiting_items + held_items >= next_stage.limit
          or next_stage.waiting_bytes + held_bytes >= BACKLOG_BYTES then
        return false
      end
    end
  end
  return true
end

local function arrive(stage, piece, count)
  stage.fresh = stage.fresh or {}
  stage.fresh_end = stage.fresh_end + 1
  stage.fresh[stage.fresh_end] = piece
  stage.waiting = stage.waiting + 1
  stage.waiting_items = stage.waiting_items + count
  stage.waiting_bytes = stage.waiting_bytes + #piece
  touch(stage)
end

-- The list is shorter than the books say: what has arrived in this script is all that waits.
local function recount(stage)
  stage.stored, stage.stalled = 0, 0
  stage.waiting, stage.waiting_items, stage.waiting_bytes = 0, 0, 0
  for i = stage.fresh_at, stage.fresh_end do
    stage.waiting = stage.waiting + 1
    stage.waiting_items = stage.waiting_items + string.match(stage.fresh[i], '^(%d+)')
    stage.waiting_bytes = stage.waiting_bytes + #stage.fresh[i]
  end
  touch(stage)
end

-- The piece at the front of the backlog, nil if there is none: put back before, stored in Redis, or arrived in this script.
local function take(stage)
  local piece = stage.front
  if piece then
    stage.front = nil
    return piece
  end
  if stage.stored > 0 then
    piece = redis.call('LPOP', stage.backlog)
    if piece then
      stage.stored = stage.stored - 1
      return piece
    end
    recount(stage)
  end
  if stage.fresh_at <= stage.fresh_end then
    stage.fresh_at = stage.fresh_at + 1
    return stage.fresh[stage.fresh_at - 1]
  end
  recount(stage)
  return nil
end

local function stall(stage, envelope)
  redis.call('LPUSH', stage.backlog, '!' .. envelope)
  stage.stored = stage.stored + 1
  stage.waiting = stage.waiting + 1
  stage.stalled = stage.stalled + 1
  touch(stage)
end

-- Takes pieces off the backlog, as many as make up a chunk of the target size. Returns them joined, with the first
-- one's header if it is alone: long strings are passed on as they are, for each copy costs.
local function take_chunk(stage)
  local first, parts, items, marks, ended, bytes = nil, nil, 0, 0, '0', 0
  -- what waits without items is the end: it comes along
  while stage.waiting > 0 and (items < stage.target and bytes < CHUNK_BYTES or stage.waiting_items == 0) do
    local piece = take(stage)
    if not piece then
      break
    end
    local count, marked, last, _, at = string.match(piece, PIECE)
    if not count then
      spoilt(stage, piece)
      stage.waiting = stage.waiting - 1
      break
    end
    count = count + 0
    if first and (items + count > stage.target or bytes + #piece > CHUNK_BYTES) and count > 0 then
      stage.front = piece
      break
    end
    if not first then
      first = piece
    else
      parts = parts or {first}
      parts[#parts + 1] = string.sub(piece, at)
    end
    items, marks, bytes = items + count, marks + marked, bytes + #piece
    stage.waiting = stage.waiting - 1
    stage.waiting_items = stage.waiting_items - count
    stage.waiting_bytes = stage.waiting_bytes - #piece
    if last == '1' then
      ended = '1'
    end
  end
  return parts and table.concat(parts) or first or '0 0 0 0\n', items, marks, ended
end

local function in_flight(stage)
  if stage.ordered then
    return stage.sent - stage.cursor
  end
  return stage.flying
end

-- Puts back what could not be sent.
local function untake(stage, pieces, count, marks, ended)
  if stage.front then
    redis.call('LPUSH', stage.backlog, stage.front)
    stage.stored = stage.stored + 1
  end
  local _, _, _, _, at = string.match(pieces, PIECE)
  stage.front = string.format('%d %d %s 0\n', count, marks, ended) .. string.sub(pieces, at)
  stage.waiting = stage.waiting + 1
  stage.waiting_items = stage.waiting_items + count
  stage.waiting_bytes = stage.waiting_bytes + #stage.front
end

-- Moves what the window and the room downstream allow from the backlog into the stage's stream.
local function dispatch(stage)
  while stage.waiting > 0 and not flow.paused and has_room(stage, stage.stalled > 0) do
    if stage.stalled > 0 then
      if not stage.ordered and stage.flying >= stage.window then
        break
      end
      local piece = take(stage)
      if piece and string.sub(piece, 1, 1) == '!' then
        if not send(stage, 'e', string.sub(piece, 2)) then
          stage.front = piece
          break
        end
        stage.waiting, stage.stalled = stage.waiting - 1, stage.stalled - 1
        stage.flying = stage.flying + 1
      else
        stage.front, stage.stalled = piece, 0
      end
    else
      if in_flight(stage) >= stage.window then
        break
      end
      local pieces, count, marks, ended = take_chunk(stage)
      local header = string.format(
        '1 %s %d %d 0 %d %d %s 0\n', flow.id, stage.sent, stage.given, count, marks, ended)
      if not send(stage, 'e', header, 'p', pieces) then
        untake(stage, pieces, count, marks, ended)
        break
      end
      stage.sent, stage.flying = stage.sent + 1, stage.flying + 1
      stage.given = stage.given + count
    end
    touch(stage)
  end
end

-- Of several stages that lead to one, only the end of the last is its end.
local function last_end(stage, inlets)
  return redis.call('HINCRBY', flow.key, 'i:' .. string.sub(stage.field, 3), 1) >= inlets
end

-- Hands one piece of a stage's outputs to the outlet that it names; outlet 0 is the run's results.
local function emit(stage, piece)
  local count, _, ended, outlet, at = string.match(piece, PIECE)
  count, outlet = count + 0, outlet + 0
  if ended == '1' then
    stage.ended = 2
  end
  if outlet == 0 then
    if count > 0 then
      flow.result_bytes = flow.result_bytes + #piece
      redis.call('XADD', results, '*',
        'e', string.format('%d %d %d', flow.results, count, flow.result_bytes), 'p', piece)
      flow.results = flow.results + count
    end
    if ended == '1' then
      flow.leaves = flow.leaves - 1
    end
  else
    local target = flow.cast[stage.outlets[outlet]]
    if ended == '1' and stage.shared and stage.shared[outlet] and not last_end(target, stage.shared[outlet]) then
      if count == 0 then
        return
      end
      piece = string.gsub(piece, '^(%d+ %d+) 1', '%1 0', 1)
    end
    arrive(target, piece, count)
  end
end

-- Tells every stage after this one that nothing follows; a stage without any is a leaf of the run.
local function emit_end(stage)
  local told = false
  for position, outlet in ipairs(stage.outlets) do
    if outlet > 0 then
      emit(stage, '0 0 1 ' .. position .. '\n')
      told = true
    end
  end
  if not told then
    emit(stage, '0 0 1 0\n')
  end
end

-- Keeps outputs of a chunk that is not at the cursor: the pieces ARGV[first] to ARGV[last].
local function hold(stage, seq, first, last, finished)
  local state = redis.call('HGET', stage.reorder, seq)
  local kept = 0
  if state then
    kept = tonumber(string.match(state, '^(%d+)')) or 0
  else
    stage.held = stage.held + 1
  end
  for i = first, last do
    local piece = ARGV[i]
    kept = kept + 1
    redis.call('HSET', stage.reorder, seq .. ':' .. kept, piece)
    stage.held_items = stage.held_items + string.match(piece, '^(%d+)')
    stage.held_bytes = stage.held_bytes + #piece
  end
  redis.call('HSET', stage.reorder, seq, kept .. ' ' .. (finished and '1' or '0'))
end

-- The cursor has moved: releases what the reorder buffer holds for it, and moves it on.
local function drain(stage)
  while stage.held > 0 do
    local seq = string.format('%d', stage.cursor)
    local state = redis.call('HGET', stage.reorder, seq)
    if not state then
      return
    end
    local kept, finished = string.match(state, '^(%d+) (%d)$')
    if not kept then
      spoilt(stage, state)
    end
    for i = 1, tonumber(kept or 0) do
      local piece = redis.call('HGET', stage.reorder, seq .. ':' .. i)
      local count, _, _, outlet = string.match(piece or '', PIECE)
      redis.call('HDEL', stage.reorder, seq .. ':' .. i)
      if not count or outlet ~= '0' and not stage.outlets[outlet + 0] then
        -- whatever the count says, no more than is there is looked at
        spoilt(stage, piece or 'nothing')
        break
      end
      stage.held_items = stage.held_items - count
      stage.held_bytes = stage.held_bytes - #piece
      emit(stage, piece)
    end
    redis.call('HDEL', stage.reorder, seq)
    stage.held = stage.held - 1
    if finished == '0' then
      local continuation = redis.call('HGET', stage.reorder, seq .. ':c')
      if continuation then
        redis.call('HDEL', stage.reorder, seq .. ':c')
        stall(stage, continuation)
      end
      return
    end
    stage.cursor = stage.cursor + 1
  end
end

local function push_all(list, first, last, values)
  local at = first
  while at <= last do
    local upto = math.min(at + 999, last)
    redis.call('RPUSH', list, unpack(values, at, upto))
    at = upto + 1
  end
end

-- The feeder waits for room: leaves it a token when half of the first stage's backlog is free.
local function call_feeder(stage, room_key)
  if flow.feeder and stage.waiting_items * 2 <= stage.limit and stage.waiting_bytes * 2 <= BACKLOG_BYTES then
    redis.call('DEL', room_key)
    redis.call('LPUSH', room_key, '1')
    redis.call('PEXPIRE', room_key, 60000)
    redis.call('HDEL', flow.key, 'feeder')
  end
end

-- Writes back the books of every stage that changed, and the run's own counters.
local function close_run()
  local changed, n = {}, 0
  for _, stage in ipairs(flow.touched) do
    if stage.front then
      redis.call('LPUSH', stage.backlog, stage.front)
    end
    if stage.fresh_at <= stage.fresh_end then
      push_all(stage.backlog, stage.fresh_at, stage.fresh_end, stage.fresh)
    end
    changed[n + 1], changed[n + 2] = stage.field, books_line(stage)
    n = n + 2
  end
  if flow.results ~= flow.before_results then
    changed[n + 1], changed[n + 2] = 'results', string.format('%d', flow.results)
    changed[n + 3], changed[n + 4] = 'result_bytes', string.format('%d', flow.result_bytes)
    n = n + 4
  end
  if flow.leaves ~= flow.before_leaves then
    changed[n + 1], changed[n + 2] = 'leaves', flow.leaves
    n = n + 2
  end
  if n > 0 then
    redis.call('HSET', flow.key, unpack(changed))
  end
end

-- Every leaf has seen the end: the run is done, and what is left of it expires.
local function finish_if_done(given_now, keep, expiring_key)
  if flow.leaves > 0 or flow.before_leaves == 0 then
    return
  end
  local now = clock(given_now)
  redis.call('HSET', flow.key, 'state', 'done', 'finished', string.format('%d', now))
  redis.call('XADD', results, '*', 'end', 'done')
  redis.call('PEXPIRE', flow.key, keep)
  redis.call('PEXPIRE', results, keep)
  redis.call('DEL', flow.key .. ':waits', flow.key .. ':signals')
  for name in string.gmatch(flow.kept or '', '%S+') do
    redis.call('UNLINK', flow.key .. ':state:' .. name)
  end
  redis.call('ZADD', expiring_key, now + keep, flow.id)
end
