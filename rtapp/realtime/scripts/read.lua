-- What each topic's log holds after an entry, all as of one moment.
-- KEYS[3…] the topics' logs; ARGV[3] the entry to start after, ARGV[4] most entries per topic
-- Returns {epoch, now in ms, last entry id, entries of the first topic, of the second, …}.

local answer = {epoch, string.format('%.0f', now), last}
for i = 3, #KEYS do
  answer[i + 1] = redis.call('XRANGE', KEYS[i], '(' .. ARGV[3], '+', 'COUNT', ARGV[4])
end
return answer
