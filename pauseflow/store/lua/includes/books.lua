-- The books of a stage: one line of sixteen counters in the run's hash, field 'b:<stage>'.
-- Read and written whole, so that a commit costs one HMGET and one HSET.
--
--   given     items dispatched so far: the ordinal of the next one
--   sent      chunks numbered so far: the number of the next one
--   cursor    the chunk that is to be released next; ordered stages only
--   flying    chunks in the stream or in a worker's hands; unordered stages only
--   waiting   pieces in the backlog;  waiting_items, waiting_bytes: what they hold
--   stalled   of these, continuations that wait at the front for room downstream
--   held      chunks with an entry in the reorder buffer;  held_items, held_bytes: their outputs
--   parked    continuations in the parked hash
--   ended     0: input goes on; 1: the last chunk is done; 2: the next stages were told
--   done      records processed;  emitted: items emitted;  busy: microseconds of work
local BOOKS = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$'

local function open_books(stage, line)
  if not line then
    line = '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
  end
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = string.match(line, BOOKS)
  stage.given, stage.sent, stage.cursor, stage.flying = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  stage.waiting, stage.waiting_items = tonumber(e), tonumber(f)
  stage.waiting_bytes, stage.stalled = tonumber(g), tonumber(h)
  stage.held, stage.held_items, stage.held_bytes = tonumber(i), tonumber(j), tonumber(k)
  stage.parked, stage.ended = tonumber(l), tonumber(m)
  stage.done, stage.emitted, stage.busy = tonumber(n), tonumber(o), tonumber(p)
end

local function books_line(stage)
  return string.format(
    '%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d',
    stage.given, stage.sent, stage.cursor, stage.flying,
    stage.waiting, stage.waiting_items, stage.waiting_bytes, stage.stalled,
    stage.held, stage.held_items, stage.held_bytes,
    stage.parked, stage.ended, stage.done, stage.emitted, stage.busy)
end
