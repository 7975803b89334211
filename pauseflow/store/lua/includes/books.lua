-- The books of a stage: one line of sixteen counters in the run's hash, field 'b:<stage>'.
-- Read and written whole, so that a commit costs one HMGET and one HSET.
--
--   waiting   pieces in the backlog;  waiting_items, waiting_bytes: what they hold
--   stalled   of these, continuations that wait at the front for room downstream
--   given     items dispatched so far: the ordinal of the next one
--   sent      chunks numbered so far: the number of the next one
--   cursor    the chunk that is to be released next; ordered stages only
--   flying    chunks in the stream or in a worker's hands
--   held      chunks with an entry in the reorder buffer;  held_items, held_bytes: their outputs
--   parked    continuations in the parked hash
--   ended     0: input goes on; 1: the last chunk is done; 2: the next stages were told
--   done      records processed, less than zero for a while if one was parked that came behind one that is not
--             done: its chunk counts it in passing, and so does it when it is done, so that it is taken off here
--   emitted   items emitted;  busy: microseconds of work
local BACKLOG_BOOKS = '^(%d+) (%d+) (%d+)'
local BOOKS = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%d+) (%d+)$'

-- Reads a line into a stage. Returns false if it is damaged: then the stage is as it was.
-- Adding 0 makes a number of a string of digits, at less cost than tonumber.
local function open_books(stage, line)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = string.match(line, BOOKS)
  if not p then
    return false
  end
  stage.waiting, stage.waiting_items, stage.waiting_bytes, stage.stalled = a + 0, b + 0, c + 0, d + 0
  stage.given, stage.sent, stage.cursor, stage.flying = e + 0, f + 0, g + 0, h + 0
  stage.held, stage.held_items, stage.held_bytes = i + 0, j + 0, k + 0
  stage.parked, stage.ended, stage.done, stage.emitted, stage.busy = l + 0, m + 0, n + 0, o + 0, p + 0
  return true
end

-- Most counters are zero most of the time, and writing a number is the dearest thing here.
local function books_line(s)
  local a, b, c, d, i, j, k, l, m = s.waiting, s.waiting_items, s.waiting_bytes, s.stalled,
    s.held, s.held_items, s.held_bytes, s.parked, s.ended
  local backlog, reorder = '0 0 0 0 ', ' 0 0 0 0 0 '
  if a ~= 0 or b ~= 0 or c ~= 0 or d ~= 0 then
    backlog = string.format('%d %d %d %d ', a, b, c, d)
  end
  if i ~= 0 or j ~= 0 or k ~= 0 or l ~= 0 or m ~= 0 then
    reorder = string.format(' %d %d %d %d %d ', i, j, k, l, m)
  end
  return backlog .. string.format('%d %d %d %d', s.given, s.sent, s.cursor, s.flying)
    .. reorder .. string.format('%d %d %d', s.done, s.emitted, s.busy)
end
