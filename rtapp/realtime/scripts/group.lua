-- A group of leases: its members, by which connections, until when. The script that changes a group
-- announces the transitions, so that each is announced once, and in order.
-- Its keys, in KEYS in this order, before the channel of its announcements:
--   <group>         hash  holder → value: the members
--   <group>:leases  zset  "holder connection" → when the lease expires, in ms
--   <group>:counts  hash  holder → number of leases
--   <group>:gone    hash  holder → "ms value": the members that left lately
--   <group>:alive   when a script last ran for the group, in ms

-- A lease is renewed several times before it expires. If no script ran for the group for longer than
-- this, Redis was away: then an expiry is no sign of a departure.
local OUTAGE = 30000
local GONE = 60000 -- ms for which a snapshot has the members that left

local Group = {}
Group.__index = Group

-- The group's keys begin at KEYS[first]; ARGV[behaviour…] has its kind, how long a lease lasts in ms,
-- '1' if leases are renewed, and '1' to announce the siblings of a change, too: all members with the
-- same first part ("42/9": 42).
function Group.at(first, behaviour, now)
  local group = {
    key = KEYS[first], leases = KEYS[first + 1], counts = KEYS[first + 2], gone = KEYS[first + 3],
    alive = KEYS[first + 4], channel = KEYS[first + 5], now = now, kind = ARGV[behaviour],
    ttl = tonumber(ARGV[behaviour + 1]), renewed = ARGV[behaviour + 2] == '1',
    include_siblings = ARGV[behaviour + 3] == '1', changes = {},
  }
  return setmetatable(group, Group)
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
  if redis.call('ZADD', self.leases, self.now + self.ttl, holder .. ' ' .. connection) == 1 then
    redis.call('HINCRBY', self.counts, holder, 1)
  end
  self:put(holder, value)
end

-- As hold, but a member keeps its value.
function Group:renew(holder, connection, value)
  self:hold(holder, connection, redis.call('HGET', self.key, holder) or value)
end

-- The lease ends after `grace` ms, unless it would have ended earlier.
function Group:release(holder, connection, grace)
  local lease = holder .. ' ' .. connection
  local ends = redis.call('ZSCORE', self.leases, lease)
  if ends and tonumber(grace) == 0 then
    self:drop(lease)
  elseif ends and self.now + grace < tonumber(ends) then
    redis.call('ZADD', self.leases, self.now + grace, lease)
  end
end

-- The value of a member.
function Group:change(holder, _, value)
  if redis.call('HEXISTS', self.key, holder) == 1 then
    self:put(holder, value)
  end
end

function Group:drop(lease)
  redis.call('ZREM', self.leases, lease)
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
  local expired = redis.call('ZRANGEBYSCORE', self.leases, '-inf', string.format('%.0f', self.now))
  local last_run = tonumber(redis.call('GET', self.alive) or self.now)
  for _, lease in ipairs(expired) do
    if self.renewed and self.now - last_run > OUTAGE then
      redis.call('ZADD', self.leases, self.now + OUTAGE, lease)
    else
      self:drop(lease)
    end
  end
  local gone = redis.call('HGETALL', self.gone)
  for i = 1, #gone, 2 do
    if tonumber(string.match(gone[i + 1], '^%d+')) < self.now - GONE then
      redis.call('HDEL', self.gone, gone[i])
    end
  end
end

-- The ms until the next lease expires; -1 when there is none.
function Group:ends_in()
  local ends = redis.call('ZRANGE', self.leases, 0, 0, 'WITHSCORES')[2]
  return ends and math.max(0, tonumber(ends) - self.now) or -1
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
  if self.renewed and redis.call('EXISTS', self.leases) == 1 then
    redis.call('SET', self.alive, string.format('%.0f', self.now))
  end
  local kept = self.ttl + GONE + OUTAGE
  for _, key in ipairs({self.key, self.leases, self.counts, self.gone, self.alive}) do
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

-- The ms until the last lease of each holder expires, where leases are not renewed: {holder, ms, …}.
function Group:ends()
  local last, flat = {}, {}
  local leases = self.renewed and {} or redis.call('ZRANGE', self.leases, 0, -1, 'WITHSCORES')
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
