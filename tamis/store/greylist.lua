-- greylist - `Store.greylist` in one step. The twin of `decide` in greylist.py.
--
-- KEYS  client, errand, and message where there is one
-- ARGV  now, delay, retry, keep, gap, life of a message (us), passes that make known, token of the errand, skew (us),
--       penalty, most of it, what is no early return (us)
-- A row is "one two expires"; the reply is "wait waited known new announce", times in us.
-- Numbers are whole and below 2^53, where doubles are exact; "%.0f", for tostring would round them.

local now, delay, retry = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local keep, gap, life = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known_after, token, skew = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local penalty, most, at_once = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local rows = redis.call('MGET', unpack(KEYS))

local function live(text, stamp)
  if not text then return nil end
  local one, two, expires = string.match(text, '^(%d+) (%d+) (%d+)$')
  local row = {tonumber(one), tonumber(two), tonumber(expires)}
  if now >= row[3] then return nil end
  if stamp and row[stamp] > now + skew then return nil end
  return row
end

local function write(key, one, two, expires)
  redis.call('SET', key, string.format('%.0f %.0f %.0f', one, two, expires),
    'PX', string.format('%.0f', math.ceil((expires - now + skew) / 1000)))
end

local client, errand, announced = live(rows[1], 2), live(rows[2], 1), live(rows[3])
local passes, counted, lasts = 0, 0, now + keep
if client then
  passes, counted = client[1], client[2]
  lasts = math.max(lasts, client[3])
end
local first, passed, longer = now, 0, 0
if errand then
  first, passed = errand[1], errand[2]
  if passed == 0 then longer = math.min(math.max(0, errand[3] - first - retry), most) end
end

if announced and announced[1] == token and passed > 0 then
  return string.format('0 %.0f 0 0 1', passed - first)
end
if known_after > 0 and passes >= known_after then
  write(KEYS[1], passes, counted, lasts)
  return '0 0 1 0 0'
end
local new = errand and 0 or 1
if passed == 0 and first + delay + longer > now then
  if errand and now - first >= at_once then longer = math.min(longer + penalty, most) end
  if not errand or penalty > 0 then write(KEYS[2], first, 0, first + retry + longer) end
  return string.format('%.0f 0 0 %d 0', first + delay + longer - now, new)
end
if passes == 0 or now - counted >= gap then passes, counted = passes + 1, now end
local announce = (passed == 0 and not announced) and 1 or 0
if passed == 0 then passed = now end
write(KEYS[1], passes, counted, lasts)
write(KEYS[2], first, passed, now + keep)
if announce == 1 and KEYS[3] then write(KEYS[3], token, 0, now + life) end
return string.format('0 %.0f 0 %d %d', passed - first, new, announce)
