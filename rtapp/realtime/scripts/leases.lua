-- Changes to one group of leases, and the sweep of its expired leases.
-- KEYS[1] the group, KEYS[2] the channel of its announcements
-- ARGV[1] now in ms ('': Redis's own clock), ARGV[2] the kind, ARGV[3] how long a lease lasts in ms,
-- ARGV[4] '1' if leases are renewed, ARGV[5] '1' to announce the siblings of a change, and then for
-- each change: hold, renew, release or change; holder; connection; value (release: grace in ms)
-- Returns JSON: {ends_in: ms until the next lease expires, changes: [[holder, before, after], …],
-- beside: [[holder, value], …]}

local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local group = Group.at(
  KEYS[1], KEYS[2], ARGV[2], now, tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1')

-- The changes come first: a lease that is renewed as it expires goes on.
for i = 6, #ARGV, 4 do
  group[ARGV[i]](group, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
group:sweep()
return group:finish()
