-- The processes that hold leases in an account. Each has one lease, which it renews for all that it
-- holds; when that lapses, whichever script comes to a group removes the members that it held there.
--   processes          zset  process → when its lease expires, in ms
--   processes:changes  hash  process → number of its changes; ALIVE, PARDON: see below
--   processes:groups   zset  "process group", all of score 0: the groups in which it holds a lease

local LASTS = 45000 -- ms; a process renews it every 15 s
-- If no process renewed its lease for longer than OUTAGE, Redis was away: then what expires within the
-- time of PARDONED is no sign of a departure. The oldest lease has 10 s left until OUTAGE has passed.
local OUTAGE, PARDONED = 20000, 30000
local ALIVE, PARDON = 'alive', 'pardon' -- fields with a time in ms; no process has such a name
-- ms for which the keys outlive their last use: a stream is opened again, and takes its leases anew,
-- more often than that.
local KEPT = 3 * 60 * 60 * 1000

local function ms(number)
  return string.format('%.0f', number)
end

local Processes = {}
Processes.__index = Processes

-- Their keys begin at KEYS[first].
function Processes.at(first, now)
  local processes = {
    key = KEYS[first], changes = KEYS[first + 1], groups = KEYS[first + 2], now = now,
  }
  return setmetatable(processes, Processes)
end

function Processes:pardoned_until()
  if not self.pardon then
    local alive, pardon = unpack(redis.call('HMGET', self.changes, ALIVE, PARDON))
    if alive and self.now - alive > OUTAGE then
      pardon = self.now + PARDONED
      redis.call('HSET', self.changes, PARDON, ms(pardon))
      redis.call('HDEL', self.changes, ALIVE) -- once, until a process renews again
    end
    self.pardon = tonumber(pardon or 0)
  end
  return self.pardon
end

-- The processes whose lease has expired.
function Processes:lapsed()
  local lapsed = redis.call('ZRANGEBYSCORE', self.key, '-inf', ms(self.now))
  if #lapsed == 0 or self.now >= self:pardoned_until() then
    return lapsed
  end
  for _, process in ipairs(lapsed) do
    redis.call('ZADD', self.key, ms(self.pardon), process)
  end
  return {}
end

function Processes:is_lapsed(process)
  local ends = redis.call('ZSCORE', self.key, process)
  return not ends or tonumber(ends) <= self.now
end

function Processes:renew(process)
  redis.call('ZADD', self.key, ms(self.now + LASTS), process)
  self:touch()
end

function Processes:touch()
  redis.call('HSET', self.changes, ALIVE, ms(self.now))
  for _, key in ipairs({self.key, self.changes, self.groups}) do
    redis.call('PEXPIRE', key, KEPT)
  end
end

-- A change by the process. One that is unknown here, or has lapsed, may lack what it held: the count
-- begins again, so that its next renewal finds that changes are missing.
function Processes:count(process)
  self:lapsed() -- which pardons it after an outage
  if self:is_lapsed(process) then
    redis.call('HDEL', self.changes, process)
    self:renew(process)
  end
  redis.call('HINCRBY', self.changes, process, 1)
end

function Processes:forget(process)
  redis.call('ZREM', self.key, process)
  redis.call('HDEL', self.changes, process)
end

-- The names of at most `most` groups in which the process holds leases.
function Processes:groups_of(process, most)
  local from = process .. ' '
  local found = redis.call(
    'ZRANGEBYLEX', self.groups, '[' .. from, '(' .. process .. '!', 'LIMIT', 0, most)
  for i, entry in ipairs(found) do
    found[i] = string.sub(entry, #from + 1)
  end
  return found
end

function Processes:holds(process, group)
  redis.call('ZADD', self.groups, 0, process .. ' ' .. group)
end

function Processes:holds_no_longer(process, group)
  redis.call('ZREM', self.groups, process .. ' ' .. group)
end
