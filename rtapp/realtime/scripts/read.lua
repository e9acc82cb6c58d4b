-- The entries of topics' logs after an entry, and the members of their groups, as of one moment.
-- ARGV[3] the entry to start after, ARGV[4] most entries per topic, ARGV[5] number of topics
-- ARGV[6] a marker ('': none), published to the first group's topic after the groups were read
-- KEYS[3…] the topics' logs, then, if there are groups, the keys of processes.lua, and for each group its
-- keys, and the log (and channel) of its topic; for each group its behaviour, three of ARGV[7…]
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
local processes = Processes.at(topics + 3, now)
for i = 1, (#KEYS - 5 - topics) / 5 do
  snapshots[i] = Group.at(topics + 5 * i + 1, 3 * i + 4, processes):snapshot()
end
if ARGV[6] ~= '' then
  redis.call(PUBLISH, KEYS[topics + 10], '! ' .. ARGV[6])
end
return {epoch, string.format('%.0f', now), last, newest, intact, logs, snapshots}
