-- Events of one account to their topics, in order, each atomically: idempotency, next cursor, log, pub/sub.
-- KEYS[3…] for each event its idempotency key, then its topics' logs (each also the name of its channel)
-- ARGV[3] retention in ms, ARGV[4] most entries of a log; then for each event its name, how many topics
-- it has, and a body per topic
-- Returns {epoch, last entry id, how many were published; those whose key had been seen are not}.
-- An event that fails ends the script: those before it are published, of itself and the rest nothing.

local retention, most = tonumber(ARGV[3]), ARGV[4]
local ms, n = parts(last)
local key, arg, published = 3, 5, 0
while key <= #KEYS do
  local done, event, count = KEYS[key], ARGV[arg], tonumber(ARGV[arg + 1])
  if redis.call('EXISTS', done) == 0 then
    -- Read all before anything is written: a log of the wrong type fails here, and leaves no half event.
    local tails = {}
    for i = 1, count do
      tails[i] = redis.call('XREVRANGE', KEYS[key + i], '+', '-', 'COUNT', 1)[1]
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
        tail = nil
      end
      local previous = tail and tail[1] or '0-0'
      redis.call('XADD', log, 'MAXLEN', '~', most, id, 'p', previous, 'e', event, 'b', body)
      redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', now - retention))
      redis.call('PEXPIRE', log, 2 * retention)
      redis.call('PUBLISH', log, table.concat({epoch, id, previous, event, body}, ' '))
      last = id
    end
    redis.call('SET', KEYS[2], last)
    redis.call('SET', done, last, 'PX', retention)
    published = published + 1
  end
  key, arg = key + count + 1, arg + count + 2
end
return {epoch, last, published}
