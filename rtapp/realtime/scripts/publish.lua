-- Events of one account to their topics, in order, each atomically: idempotency, next cursor, log, pub/sub.
-- KEYS[3…] for each event its idempotency key, then its topics' logs (each also the name of its channel)
-- ARGV[3] retention in ms, ARGV[4] most entries of a log; then for each event its name, how many topics
-- it has, and a body per topic
-- Returns {epoch, the newest event, how many were published now; an event with a used key is not}.
-- An event that fails ends the script: those before it are published, it and the rest are not.

local retention, most = tonumber(ARGV[3]), ARGV[4]
local ms, n = parts(last)

-- The last entry of a topic, by its log; or the latest that it can be, if the log was evicted.
local function before_it(log, tail)
  local head = redis.call('ZSCORE', KEYS[2], log)
  local entry = tail and tail[1] or '0-0'
  if head and parts(entry) < tonumber(head) then
    entry = head .. '-999999999'
  end
  return entry
end

local key, arg, published = 3, 5, 0
while key <= #KEYS do
  local done, event, count = KEYS[key], ARGV[arg], tonumber(ARGV[arg + 1])
  if redis.call('EXISTS', done) == 0 then
    -- Read all logs before writing to one: a key of the wrong type fails here, and leaves no half event.
    local tails, previous = {}, {}
    for i = 1, count do
      tails[i] = redis.call('XREVRANGE', KEYS[key + i], '+', '-', 'COUNT', 1)[1]
      previous[i] = before_it(KEYS[key + i], tails[i])
    end
    for i = 1, count do
      if now > ms then
        ms, n = now, 0
      else
        n = n + 1
      end
      local log, body, tail = KEYS[key + i], ARGV[arg + 1 + i], tails[i]
      local id = string.format('%.0f-%d', ms, n)
      if tail and not before(tail[1], id) then
        redis.call('DEL', log) -- left over from a lost epoch: XADD would refuse the smaller id
        previous[i] = '0-0'
      end
      redis.call('XADD', log, 'MAXLEN', '~', most, id, 'p', previous[i], 'e', event, 'b', body)
      redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', now - retention))
      redis.call('PEXPIRE', log, 2 * retention)
      redis.call('ZADD', KEYS[2], ms, log)
      redis.call(PUBLISH, log, table.concat({epoch, id, previous[i], event, body}, ' '))
      last, newest = id, id
    end
    save()
    redis.call('SET', done, last, 'PX', retention)
    published = published + 1
  end
  key, arg = key + count + 1, arg + count + 2
end
if published > 0 then -- and so the set is not empty: an empty one would mean an eviction
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - retention))
end
return {epoch, newest, published}
