-- Common beginning of every script: the epoch of an account, and its newest event.
-- KEYS[1] "epoch last newest": no event will be published at or before `last`; `newest` is the
-- newest event. KEYS[2] zset log → the millisecond of its newest event, of all topics in use.
-- ARGV[1], ARGV[2] the caller's high-water mark: its last and its newest, each with its epoch ("" if none).
-- An epoch is the microsecond in which it began, or the next one after every epoch in use.

local function parts(entry)
  local ms, n = string.match(entry, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end

local function before(a, b)
  local a_ms, a_n = parts(a)
  local b_ms, b_n = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_n < b_n)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch, last, newest = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%S+) (%S+)$')

local function save()
  redis.call('SET', KEYS[1], table.concat({epoch, last, newest}, ' '))
end

-- Whether the mark is later than `entry`: then this is an old copy of the data, or a server that
-- restarted without its newest writes.
local function is_behind(mark, entry)
  local mark_epoch, mark_entry = string.match(mark, '^(%d+) (%S+)$')
  return mark_epoch and (tonumber(epoch) < tonumber(mark_epoch)
    or (epoch == mark_epoch and before(entry, mark_entry)))
end

-- Lost data can't be replayed: a new epoch begins, and every stream is reset.
local function has_lost_data()
  return not epoch or is_behind(ARGV[1], last) or is_behind(ARGV[2], newest)
    or (newest ~= '0-0' and redis.call('EXISTS', KEYS[2]) == 0)
end

if has_lost_data() then
  local began = tonumber(time[1]) * 1000000 + tonumber(time[2])
  began = math.max(began, tonumber(epoch or 0) + 1)
  last, newest = last or '0-0', '0-0'
  for _, mark in ipairs({ARGV[1], ARGV[2]}) do
    local mark_epoch, mark_entry = string.match(mark, '^(%d+) (%S+)$')
    if mark_epoch then
      began = math.max(began, tonumber(mark_epoch) + 1)
      last = before(last, mark_entry) and mark_entry or last -- no event is published before that
    end
  end
  epoch = string.format('%.0f', began)
  save() -- first: after another write, a script is not stopped by a lack of memory
  redis.call('DEL', KEYS[2])
end
