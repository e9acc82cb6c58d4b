-- The entries of topics' logs after an entry, and the members of their groups, as of one moment.
-- ARGV[3] the entry to start after, ARGV[4] most entries per topic, ARGV[5] number of topics
-- ARGV[6] the channel of a marker, ARGV[7] the marker ('': none), published after the groups were read
-- KEYS[3…] the topics' logs, then for each group: its key, and the log (and channel) of its topic;
-- for each group four of ARGV[8…]: kind, how long a lease lasts in ms, '1' if renewed, '1' to include siblings
-- Returns {epoch, now in ms, the position, the newest event, 1 if the logs are intact (0: one has lost
-- entries after the given one), logs of the topics, snapshots of the groups}.

-- Clients resume from the position that is returned here: every later event must follow it, also when
-- the clock steps back. Another event may still be published in this millisecond.
local proven = string.format('%.0f-0', now - 1)
if before(last, proven) then
  last = proven
  save()
end

local start, most = ARGV[3], tonumber(ARGV[4])

-- A log without its newest event was evicted. In doubt, within a millisecond, that event came after the
-- given entry.
local function is_intact(log, read)
  local head = tonumber(redis.call('ZSCORE', KEYS[2], log) or 0)
  if head < parts(start) or #read == most then
    return true
  end
  local tail = read[#read] or redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return tail and parts(tail[1]) >= head
end

local intact, logs, snapshots, topics = 1, {}, {}, tonumber(ARGV[5])
for i = 1, topics do
  logs[i] = redis.call('XRANGE', KEYS[2 + i], '(' .. start, '+', 'COUNT', most)
  if not is_intact(KEYS[2 + i], logs[i]) then
    intact = 0
  end
end
for i = 1, (#KEYS - 2 - topics) / 2 do
  local key, arg = 1 + topics + 2 * i, 4 + 4 * i
  local group = Group.at(
    KEYS[key], KEYS[key + 1], ARGV[arg], now, tonumber(ARGV[arg + 1]),
    ARGV[arg + 2] == '1', ARGV[arg + 3] == '1')
  snapshots[i] = group:snapshot()
end
if ARGV[7] ~= '' then
  redis.call('PUBLISH', ARGV[6], ARGV[7])
end
return {epoch, string.format('%.0f', now), last, newest, intact, logs, snapshots}
