-- Changes to one group of leases, and the sweep of its expired leases.
-- KEYS the keys of processes.lua, those of the group, and the channel of its announcements
-- ARGV[1] now in ms ('': Redis's own clock), ARGV[2] the process whose changes these are ('': none of
-- them is about its leases), ARGV[3] to ARGV[5] the group's behaviour, and then for each change: hold,
-- restore, release or change; holder; connection; value (release: grace in ms)
-- Returns JSON: {ends_in: ms until the next lease expires, changes: [[holder, before, after], …],
-- beside: [[holder, value], …]}

local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local processes = Processes.at(1, now)
local group = Group.at(4, 3, processes)

if ARGV[2] ~= '' then
  processes:count(ARGV[2])
end
-- The changes come first: a lease that is taken again as it expires goes on.
for i = 6, #ARGV, 4 do
  group[ARGV[i]](group, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
group:sweep()
return group:finish()
