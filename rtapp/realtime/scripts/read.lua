-- What each topic's log holds after an entry, and who is in its groups, all as of one moment.
-- ARGV[3] the entry to start after, ARGV[4] most entries per topic, ARGV[5] number of topics
-- KEYS[3…] the topics' logs, then for each group: its key, and the log (and channel) of its topic;
-- for each group four of ARGV[6…]: kind, how long a lease lasts in ms, '1' if renewed, '1' if whole
-- Returns {epoch, now in ms, the position, logs of the topics, snapshots of the groups}.

-- What is answered here is given to clients as a place to resume from: whatever comes later must come
-- after it, also when the clock steps back. Another event of this very millisecond may still come.
local proven = string.format('%.0f-0', now - 1)
if before(last, proven) then
  last = proven
  redis.call('SET', KEYS[2], last)
end

local logs, snapshots, topics = {}, {}, tonumber(ARGV[5])
for i = 1, topics do
  logs[i] = redis.call('XRANGE', KEYS[2 + i], '(' .. ARGV[3], '+', 'COUNT', ARGV[4])
end
for i = 1, (#KEYS - 2 - topics) / 2 do
  local key, arg = 1 + topics + 2 * i, 2 + 4 * i
  local group = Group.at(
    KEYS[key], KEYS[key + 1], ARGV[arg], now, tonumber(ARGV[arg + 1]),
    ARGV[arg + 2] == '1', ARGV[arg + 3] == '1')
  snapshots[i] = group:snapshot()
end
return {epoch, string.format('%.0f', now), last, logs, snapshots}
