-- Renews the lease of a process in an account, and names what lapsed processes hold there.
-- KEYS the keys of processes.lua
-- ARGV[1] now in ms ('': Redis's own clock), ARGV[2] the process, ARGV[3] most groups to name
-- Returns {how many changes by the process are here, -1 if its lease had lapsed; the ms until the next
-- process lapses, -1 if there is no other one; names of groups in which lapsed processes hold leases}

local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local processes, process = Processes.at(1, now), ARGV[2]

processes:pardoned_until()
local lapsed, groups, known = processes:lapsed(), {}, {}
for _, other in ipairs(lapsed) do
  local held = other ~= process and processes:groups_of(other, tonumber(ARGV[3]) - #groups) or {}
  for _, group in ipairs(held) do
    if not known[group] then
      known[group] = true
      table.insert(groups, group)
    end
  end
  if other ~= process and #held == 0 and #groups < tonumber(ARGV[3]) then
    processes:forget(other)
  end
end

local changes = tonumber(redis.call('HGET', KEYS[2], process) or 0)
if redis.call('ZSCORE', KEYS[1], process) then
  changes = processes:is_lapsed(process) and -1 or changes
  processes:renew(process)
else
  processes:touch() -- it has streams here, and holds nothing
end
local next_lapse = -1
for i, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ms(now), '+inf', 'LIMIT', 0, 2)) do
  if other ~= process and next_lapse < 0 then
    next_lapse = tonumber(redis.call('ZSCORE', KEYS[1], other)) - now
  end
end
return {changes, next_lapse, groups}
