-- Counts open streams of all processes by subjects (users, addresses), and grants those within limits.
-- KEYS[1] zset process → when its lease ends, in ms: a process whose lease has ended counts nothing
-- KEYS[2…] for each subject: hash process → its open streams
-- ARGV[1] the process, ARGV[2] how long its lease lasts in ms, ARGV[3] how long a subject is kept in ms
-- ARGV[4…] for each subject the streams that the process has open; then for each stream asked for how
-- many limits it has, and for each of them the number of its subject (from 1) and the limit
-- Returns {1 if the process had a lease, {1 for each stream that is granted, 0 for the others}}

local process, subjects = ARGV[1], #KEYS - 1
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local had_lease = redis.call('ZSCORE', KEYS[1], process) and 1 or 0
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), process)

local own, others = {}, {}

local function of_others(key)
  local sum, fields = 0, redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if fields[i] ~= process then
      if redis.call('ZSCORE', KEYS[1], fields[i]) then
        sum = sum + tonumber(fields[i + 1])
      else
        redis.call('HDEL', key, fields[i])
      end
    end
  end
  return sum
end

for i = 1, subjects do
  own[i], others[i] = tonumber(ARGV[3 + i]), of_others(KEYS[1 + i])
end

local granted, at = {}, 4 + subjects
while at <= #ARGV do
  local last, fits = at + 2 * tonumber(ARGV[at]), 1
  for i = at + 1, last, 2 do
    local subject = tonumber(ARGV[i])
    if own[subject] + others[subject] >= tonumber(ARGV[i + 1]) then
      fits = 0
    end
  end
  for i = at + 1, last, 2 do
    local subject = tonumber(ARGV[i])
    own[subject] = own[subject] + fits
  end
  table.insert(granted, fits)
  at = last + 1
end

for i = 1, subjects do
  if own[i] > 0 then
    redis.call('HSET', KEYS[1 + i], process, string.format('%.0f', own[i]))
    redis.call('PEXPIRE', KEYS[1 + i], ARGV[3])
  else
    redis.call('HDEL', KEYS[1 + i], process)
  end
end
return {had_lease, granted}
