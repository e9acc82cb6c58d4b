-- Shared beginning of every script: which epoch an account is in, and what was published last.
-- KEYS[1] epoch, KEYS[2] last entry id; ARGV[1] a fresh random epoch, ARGV[2] the newest entry id
-- that the caller has ever seen in this account, with its epoch ("epoch ms-n", or "").

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
local epoch = redis.call('GET', KEYS[1])
local last = redis.call('GET', KEYS[2])

-- A server that came back without its newest writes still has the epoch, but is behind what it
-- told us before. What it forgot can't be replayed: that is a new epoch, and everyone is told.
local seen_epoch, seen = string.match(ARGV[2], '^(%S+) (%S+)$')
local forgot = epoch and seen_epoch == epoch and (not last or before(last, seen))
if not epoch or not last or forgot then
  epoch = ARGV[1]
  last = last or '0-0'
  redis.call('MSET', KEYS[1], epoch, KEYS[2], last)
end
