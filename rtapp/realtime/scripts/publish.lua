-- One event to its topics, atomically: idempotency, next cursor, log, pub/sub.
-- KEYS[3] idempotency key, KEYS[4…] the topics' logs (each also the name of its channel)
-- ARGV[3] retention in ms, ARGV[4] most entries of a log, ARGV[5] event name, ARGV[6…] a body per topic
-- Returns {epoch, last entry id, published (0 when the key had been seen)}.

if redis.call('EXISTS', KEYS[3]) == 1 then
  return {epoch, last, 0}
end

local retention, most, event = tonumber(ARGV[3]), ARGV[4], ARGV[5]
local ms, n = parts(last)
for i = 4, #KEYS do
  if now > ms then
    ms, n = now, 0
  else
    n = n + 1
  end
  local log, body = KEYS[i], ARGV[i + 2]
  local id = string.format('%.0f-%d', ms, n)
  local tail = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
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
redis.call('SET', KEYS[3], last, 'PX', retention)
return {epoch, last, 1}
