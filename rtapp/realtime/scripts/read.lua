-- What each topic's log holds after an entry, all as of one moment.
-- KEYS[3…] the topics' logs; ARGV[3] the entry to start after, ARGV[4] most entries per topic
-- Returns {epoch, now in ms, the position, entries of the first topic, of the second, …}.

-- What is answered here is given to clients as a place to resume from: whatever comes later must come
-- after it, also when the clock steps back. Another event of this very millisecond may still come.
local proven = string.format('%.0f-0', now - 1)
if before(last, proven) then
  last = proven
  redis.call('SET', KEYS[2], last)
end

local answer = {epoch, string.format('%.0f', now), last}
for i = 3, #KEYS do
  answer[i + 1] = redis.call('XRANGE', KEYS[i], '(' .. ARGV[3], '+', 'COUNT', ARGV[4])
end
return answer
