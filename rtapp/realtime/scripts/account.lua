-- Shared beginning of every script: which epoch an account is in, and what was published last.
-- KEYS[1] "epoch last newest": nothing is published at or before `last` any more, `newest` is the
-- newest event. KEYS[2] zset log → the millisecond of its newest event, of all topics in use.
-- ARGV[1], ARGV[2] the last and the newest that the caller knows of, each with its epoch ("" if none).
-- An epoch is the microsecond in which it began, or the next one after any that is known.

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

-- Whether somebody was told of something later than `entry`: then this is an old copy of the data, or
-- a server that came back without its newest writes.
local function is_behind(known, entry)
  local known_epoch, known_entry = string.match(known, '^(%d+) (%S+)$')
  return known_epoch and (tonumber(epoch) < tonumber(known_epoch)
    or (epoch == known_epoch and before(entry, known_entry)))
end

-- What was forgotten can't be replayed: that is a new epoch, and everyone is told.
local function has_forgotten()
  return not epoch or is_behind(ARGV[1], last) or is_behind(ARGV[2], newest)
    or (newest ~= '0-0' and redis.call('EXISTS', KEYS[2]) == 0)
end

if has_forgotten() then
  local began = tonumber(time[1]) * 1000000 + tonumber(time[2])
  began = math.max(began, tonumber(epoch or 0) + 1)
  last, newest = last or '0-0', '0-0'
  for _, known in ipairs({ARGV[1], ARGV[2]}) do
    local known_epoch, known_entry = string.match(known, '^(%d+) (%S+)$')
    if known_epoch then
      began = math.max(began, tonumber(known_epoch) + 1)
      last = before(last, known_entry) and known_entry or last -- nothing is ever said before that
    end
  end
  epoch = string.format('%.0f', began)
  save() -- first: after another write, a script is not stopped by a lack of memory
  redis.call('DEL', KEYS[2])
end
