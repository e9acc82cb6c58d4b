-- A group of leases: its members, by which connections, until when. The script that changes a group
-- announces the transitions, so that each is announced once, and in order.
-- Its keys, in KEYS in this order, before the channel of its announcements:
--   <group>         hash  holder → value: the members
--   <group>:leases  zset  "holder connection" → when the lease expires, in ms
--   <group>:counts  hash  holder → number of leases; " process" → how many of them it holds
--   <group>:gone    hash  holder → "ms value": the members that left lately

local GONE = 60000 -- ms for which a snapshot has the members that left
-- A lease that a process holds lasts as long as the process does. Its expiry has this fraction; it counts
-- only for an older release, which may run beside this one while servers are deployed.
local HELD = 0.5

local Group = {}
Group.__index = Group

-- The group's keys begin at KEYS[first]; ARGV[behaviour…] has its kind, how long a lease lasts in ms
-- (0: as long as its process), and '1' to announce the siblings of a change, too: all members with the
-- same first part ("42/9": 42).
function Group.at(first, behaviour, processes)
  local group = {
    key = KEYS[first], leases = KEYS[first + 1], counts = KEYS[first + 2], gone = KEYS[first + 3],
    channel = KEYS[first + 4], name = string.match(KEYS[first], '}:(.*)$'), kind = ARGV[behaviour],
    lasts = tonumber(ARGV[behaviour + 1]), include_siblings = ARGV[behaviour + 2] == '1',
    processes = processes, now = processes.now, changes = {},
  }
  return setmetatable(group, Group)
end

local function is_held(ends)
  return ends and tonumber(ends) % 1 == HELD
end

function Group:put(holder, value)
  local before = redis.call('HGET', self.key, holder) or ''
  if before ~= value then
    redis.call('HSET', self.key, holder, value)
    redis.call('HDEL', self.gone, holder)
    table.insert(self.changes, {holder, before, value})
  end
end

function Group:hold(holder, connection, value)
  local lease = holder .. ' ' .. connection
  local before = redis.call('ZSCORE', self.leases, lease)
  if self.lasts > 0 then
    redis.call('ZADD', self.leases, ms(self.now + self.lasts), lease)
  elseif not is_held(before) then
    redis.call('ZADD', self.leases, string.format('%.1f', self.now + KEPT + HELD), lease)
    self:count_held(lease, 1)
  end
  if not before then
    redis.call('HINCRBY', self.counts, holder, 1)
  end
  self:put(holder, value)
end

-- As hold, but a member keeps its value.
function Group:restore(holder, connection, value)
  self:hold(holder, connection, redis.call('HGET', self.key, holder) or value)
end

-- The lease ends after `grace` ms, unless it would have ended earlier.
function Group:release(holder, connection, grace)
  local lease = holder .. ' ' .. connection
  local ends = redis.call('ZSCORE', self.leases, lease)
  if ends and tonumber(grace) == 0 then
    self:drop(lease, ends)
  elseif ends and self.now + grace < tonumber(ends) then
    redis.call('ZADD', self.leases, ms(self.now + grace), lease)
    if is_held(ends) then
      self:count_held(lease, -1)
    end
  end
end

-- The leases of the group that the process of one of them holds.
function Group:count_held(lease, by)
  local process = string.match(lease, ' ([^.]*)')
  local count = redis.call('HINCRBY', self.counts, ' ' .. process, by)
  if count <= 0 then
    redis.call('HDEL', self.counts, ' ' .. process)
    self.processes:holds_no_longer(process, self.name)
  elseif count == by then
    self.processes:holds(process, self.name)
  end
end

-- The value of a member.
function Group:change(holder, _, value)
  if redis.call('HEXISTS', self.key, holder) == 1 then
    self:put(holder, value)
  end
end

function Group:drop(lease, ends)
  redis.call('ZREM', self.leases, lease)
  if is_held(ends) then
    self:count_held(lease, -1)
  end
  local holder = string.match(lease, '^(%S+) ')
  if redis.call('HINCRBY', self.counts, holder, -1) <= 0 then
    local before = redis.call('HGET', self.key, holder) or ''
    redis.call('HDEL', self.counts, holder)
    redis.call('HDEL', self.key, holder)
    redis.call('HSET', self.gone, holder, string.format('%.0f %s', self.now, before))
    table.insert(self.changes, {holder, before, ''})
  end
end

function Group:sweep()
  local leases = redis.call(
    'ZRANGEBYSCORE', self.leases, '-inf', ms(self.now), 'WITHSCORES')
  local pardon = self.lasts == 0 and #leases > 0 and self.processes:pardoned_until() or 0
  for i = 1, #leases, 2 do
    if is_held(leases[i + 1]) then
      break -- all that follow are
    elseif self.now < pardon then
      redis.call('ZADD', self.leases, ms(pardon), leases[i])
    else
      self:drop(leases[i], leases[i + 1])
    end
  end
  if self.lasts == 0 then
    self:sweep_lapsed()
  end
  local gone = redis.call('HGETALL', self.gone)
  for i = 1, #gone, 2 do
    if tonumber(string.match(gone[i + 1], '^%d+')) < self.now - GONE then
      redis.call('HDEL', self.gone, gone[i])
    end
  end
end

-- Ends what the processes hold whose lease has lapsed.
function Group:sweep_lapsed()
  for _, process in ipairs(self.processes:lapsed()) do
    local leases = {}
    if redis.call('HEXISTS', self.counts, ' ' .. process) == 1 then
      leases = redis.call('ZRANGE', self.leases, 0, -1, 'WITHSCORES')
    end
    for i = 1, #leases, 2 do
      if is_held(leases[i + 1]) and string.match(leases[i], ' ([^.]*)') == process then
        self:drop(leases[i], leases[i + 1])
      end
    end
    redis.call('HDEL', self.counts, ' ' .. process)
    self.processes:holds_no_longer(process, self.name) -- also if the group's own keys were lost
  end
end

-- The ms until the next lease expires; -1 when there is none that does.
function Group:ends_in()
  local ends = redis.call('ZRANGE', self.leases, 0, 0, 'WITHSCORES')[2]
  return ends and not is_held(ends) and math.max(0, tonumber(ends) - self.now) or -1
end

function Group:siblings_of_changed()
  local wanted, siblings = {}, {}
  for _, change in ipairs(self.changes) do
    wanted[string.match(change[1], '^[^/]*')] = true
  end
  local all = redis.call('HGETALL', self.key)
  for i = 1, #all, 2 do
    if wanted[string.match(all[i], '^[^/]*')] then
      table.insert(siblings, {all[i], all[i + 1]})
    end
  end
  return siblings
end

-- Announces the transitions, and returns the announcement.
function Group:finish()
  local last = redis.call('ZRANGE', self.leases, -1, -1, 'WITHSCORES')[2]
  local kept = is_held(last) and KEPT or self.lasts + GONE + PARDONED
  for _, key in ipairs({self.key, self.leases, self.counts, self.gone}) do
    redis.call('PEXPIRE', key, kept)
  end
  local diff = cjson.encode({
    ends_in = self:ends_in(), changes = self.changes,
    beside = self.include_siblings and self:siblings_of_changed() or {},
  })
  if #self.changes > 0 then
    redis.call(PUBLISH, self.channel, '~ ' .. self.kind .. ' ' .. diff)
  end
  return diff
end

-- The ms until the last lease of each holder expires, where no process holds them: {holder, ms, …}.
function Group:ends()
  local last, flat = {}, {}
  local leases = self.lasts == 0 and {} or redis.call('ZRANGE', self.leases, 0, -1, 'WITHSCORES')
  for i = 1, #leases, 2 do -- the last to expire comes last
    last[string.match(leases[i], '^(%S+) ')] = tonumber(leases[i + 1]) - self.now
  end
  for holder, ms in pairs(last) do
    table.insert(flat, holder)
    table.insert(flat, string.format('%.0f', ms))
  end
  return flat
end

function Group:snapshot()
  self:sweep()
  local diff = self:finish()
  return {diff, redis.call('HGETALL', self.key), redis.call('HGETALL', self.gone), self:ends()}
end
