-- attempt - how charge.lua and hold.lua begin: it is put before both. The twin of what they share in bucket.py.
--
-- KEYS  one for each window first; with `once` the remembered answer last
-- ARGV  numbers first, as doubles in one word, for each word of its own costs time: now (us), cost, skew (us), life of the
--       answer (us; 0 without `once`), then unit, drain, capacity, end (us; 0 but for a stretch of a calendar) of each
--       window
-- A bucket is "level moment", a grant "units until"; a remembered answer is "expires answer"; the reply is
-- "repeated allowed remaining wait window", wait in us, -1 for never.
-- Numbers are whole and below 2^53, where doubles are exact; "%.0f", for tostring would round them.

local EXACT = 4503599627370496
local windows = #ARGV[1] / 32 - 1
local numbers = {struct.unpack('<' .. string.rep('d', #ARGV[1] / 8), ARGV[1])}
local now, cost, skew, answer_life = unpack(numbers, 1, 4)
local known = redis.call('MGET', unpack(KEYS))

if answer_life > 0 and known[#KEYS] then
  local expires, answer = string.match(known[#KEYS], '^(%d+) (.+)$')
  if now < tonumber(expires) then return '1 ' .. answer end
end

-- Units that are granted.
local function granted(text)
  if not text then return 0 end
  local units, till = string.match(text, '^(%d+) (%d+)$')
  return tonumber(till) > now and tonumber(units) or 0
end

-- The level of a bucket now, and the moment that is written beside it.
local function drained(text, drain, ends)
  local level, moment = 0, now
  if text then
    local l, m = string.match(text, '^(%d+) (%d+)$')
    level, moment = tonumber(l), tonumber(m)
  end
  if ends > 0 then return level, 0 end
  if moment > now + skew then return 0, now end
  if moment >= now then return level, moment end
  return math.max(0, level - (now - moment) * drain), now
end

-- Until so many parts fit: 0 now, math.huge never.
local function wait_for(parts, level, capacity, drain, ends)
  local over = level + parts - capacity
  if parts > capacity then return math.huge end
  if over <= 0 then return 0 end
  return ends > 0 and math.max(1, ends - now) or math.ceil(over / drain)
end

local function fill(key, level, moment, drain, ends)
  local lasts = ends > 0 and math.max(0, ends - now) or level / drain
  redis.call('SET', key, string.format('%.0f %.0f', level, moment),
    'PX', string.format('%.0f', math.ceil((lasts + skew) / 1000)))
end

local function refused(left, wait, window)
  return string.format('0 %.0f %.0f %d', left, wait == math.huge and -1 or wait, window)
end

local function remembered(answer)
  if answer_life > 0 then
    redis.call('SET', KEYS[#KEYS], string.format('%.0f ', now + answer_life) .. answer,
      'PX', string.format('%.0f', (answer_life + skew) / 1000))
  end
  return '0 ' .. answer
end
