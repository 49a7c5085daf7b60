-- watch - `Accounts.watch` in one step. The twin of MemoryAccounts.watch in memory_accounts.py.
--
-- KEYS  activity, standing, then for each sighting the set by when it was seen last and by when first
-- ARGV  now, silence, skew, life of the activity (ms), number of the sighting that is settled (0: none), its group,
--       how many of it are well, then for each sighting token, since, upto, oldest, most, graced, below, life (ms)
-- Times are microseconds. Activity is "woke last settled", a standing "since stage until locked_until locks"; the
-- reply is both, then distinct and new of each sighting.
-- Numbers are whole and below 2^53, where doubles are exact; "%.0f", for tostring would round them.

local now, silence, skew = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local settling, group, well = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local known = redis.call('MGET', KEYS[1], KEYS[2])
local woke, last, settled = 0, 0, 0
if known[1] then
  local w, l, s = string.match(known[1], '^(%d+) (%d+) (%d+)$')
  woke, last, settled = tonumber(w), tonumber(l), tonumber(s)
end
local standing = known[2] or '0 0 0 0 0'
local since, stage, ends, locked = string.match(standing, '^(%d+) (%d+) (%d+) (%d+) %d+$')
since, stage, locked = tonumber(since), tonumber(stage), tonumber(locked)
if tonumber(ends) <= now then stage = 0 end
if since > now + skew then since = 0 end
local sights = (#KEYS - 2) / 2
local reply = {standing}

local function whole(number) return string.format('%.0f', number) end

if locked > now or sights == 0 then
  reply[2] = whole(woke)
  for i = 1, 2 * sights do reply[2 + i] = '0' end
  return table.concat(reply, ' ')
end

for i = 1, sights do
  local seen, first, at = KEYS[2 * i + 1], KEYS[2 * i + 2], 8 * i
  local token, oldest, most = ARGV[at], ARGV[at + 3], tonumber(ARGV[at + 4])
  local life = ARGV[at + 7]
  if token ~= '' and stage < tonumber(ARGV[at + 6]) then
    local was = redis.call('ZSCORE', seen, token)
    if not was or tonumber(was) <= tonumber(oldest) then
      redis.call('ZREMRANGEBYSCORE', seen, '-inf', oldest)
      redis.call('ZREMRANGEBYSCORE', first, '-inf', oldest)
      local over = redis.call('ZCARD', seen) - most
      if over >= 0 then
        local gone = redis.call('ZRANGE', seen, 0, over)
        redis.call('ZREM', seen, unpack(gone))
        redis.call('ZREM', first, unpack(gone))
      elseif ARGV[at + 5] == '0' then
        redis.call('ZADD', first, ARGV[1], token)
      end
    end
    redis.call('ZREMRANGEBYSCORE', first, '-inf', ARGV[at + 1])
    redis.call('ZADD', seen, ARGV[1], token)
    redis.call('PEXPIRE', seen, life)
    redis.call('PEXPIRE', first, life)
  end
  if settling == i then
    local members = {}
    for _, member in ipairs(redis.call('ZRANGE', seen, 0, -1)) do
      if string.sub(member, 1, #group) == group then members[#members + 1] = member end
    end
    for _, member in ipairs(members) do
      redis.call('ZREM', seen, member)
      redis.call('ZREM', first, member)
    end
    for number = 0, #members - well - 1 do
      redis.call('ZADD', seen, ARGV[1], '!' .. group .. number)
    end
    if #members > 0 then redis.call('PEXPIRE', seen, life) end
    settled = now
  end
end

if silence > 0 and last > 0 and last <= now + skew and now - last >= silence then woke = now end
if woke > now + skew then woke = 0 end
redis.call('SET', KEYS[1], whole(woke) .. ' ' .. ARGV[1] .. ' ' .. whole(settled), 'PX', ARGV[4])

reply[2] = whole(woke)
for i = 1, sights do
  local at = 8 * i
  local above = '(' .. whole(math.max(since, tonumber(ARGV[at + 1])))
  local upto = ARGV[at + 2]
  if ARGV[at + 5] == '1' and settled < tonumber(upto) then upto = whole(settled) end
  reply[1 + 2 * i] = redis.call('ZCOUNT', KEYS[2 * i + 1], above, upto)
  reply[2 + 2 * i] = redis.call('ZCOUNT', KEYS[2 * i + 2], above, upto)
end
return table.concat(reply, ' ')
