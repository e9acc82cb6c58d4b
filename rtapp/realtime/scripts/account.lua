-- Common beginning of every script: the epoch of an account, and its newest event.
-- KEYS[1] "epoch last newest": no event will be published at or before `last`; `newest` is the
-- newest event, or the newest one that was on record as the epoch began, which this server lacks.
-- KEYS[2] zset log → the millisecond of its newest event, of all topics in use; and LOST → that of
-- the newest event as the epoch began.
-- ARGV[1], ARGV[2] the caller's high-water mark: its last and its newest, each with its epoch.
-- An epoch is the microsecond in which it began, or the next one after every epoch in use.

local LOST = 'lost' -- no log has this name

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

local function later(a, b)
  return before(a, b) and b or a
end

local last_epoch, last_on_record = string.match(ARGV[1], '^(%d+) (%S+)$')
local newest_epoch, newest_on_record = string.match(ARGV[2], '^(%d+) (%S+)$')

-- Whether the record is later than the data: then this is an old copy of the data, a server that
-- restarted without its newest writes, or not the server to which the newest event was published.
-- The newest event's epoch does not matter: another server may still be in an older one.
local function is_behind()
  return tonumber(epoch) < tonumber(last_epoch) or tonumber(epoch) < tonumber(newest_epoch)
    or (epoch == last_epoch and before(last, last_on_record)) or before(newest, newest_on_record)
end

-- Lost data can't be replayed: a new epoch begins, and every stream is reset.
local function has_lost_data()
  return not epoch or is_behind() or (newest ~= '0-0' and redis.call('EXISTS', KEYS[2]) == 0)
end

if has_lost_data() then
  local began = tonumber(time[1]) * 1000000 + tonumber(time[2])
  began = math.max(
    began, tonumber(epoch or 0) + 1, tonumber(last_epoch) + 1, tonumber(newest_epoch) + 1)
  newest = later(newest or '0-0', newest_on_record)
  last = later(later(last or '0-0', last_on_record), newest) -- no event is published before that
  epoch = string.format('%.0f', began)
  save() -- first: after another write, a script is not stopped by a lack of memory
  redis.call('DEL', KEYS[2])
  if newest ~= '0-0' then
    redis.call('ZADD', KEYS[2], parts(newest), LOST)
  end
end
