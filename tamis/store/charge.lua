-- charge - `Store.charge` in one step: all windows or none. The twin of `decide` in bucket.py.
--
-- KEYS  one for each window, and with `once` the remembered answer behind them; beside them lies a grant, in the same
--       slot, which is only looked at where nothing would be left: to name it at every request costs a fifth
-- ARGV  now (us), cost, skew (us), life of the answer (us; 0 without `once`),
--       then unit, drain, capacity, end (us; 0 but for a stretch of a calendar) of each window
-- A bucket is "level moment", a grant "units until"; a remembered answer is "expires answer"; the reply is
-- "repeated allowed remaining wait window", wait in us, -1 for never.
-- Numbers are whole and below 2^52, where doubles are exact; "%.0f", for tostring would round them.

local now, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local skew, answer_life = tonumber(ARGV[3]), tonumber(ARGV[4])
local windows = #KEYS
if answer_life > 0 then windows = windows - 1 end
local known = redis.call('MGET', unpack(KEYS))

if answer_life > 0 and known[windows + 1] then
  local expires, answer = string.match(known[windows + 1], '^(%d+) (.+)$')
  if now < tonumber(expires) then return '1 ' .. answer end
end

local filled, life = {}, {}
local wait, refusing, left, least, tightest
local extra, looked = 0, false

repeat
  wait, refusing, left, least = 0, 0, 0, nil
  for i = 1, windows do
    local unit, drain, capacity = tonumber(ARGV[4 * i + 1]), tonumber(ARGV[4 * i + 2]), tonumber(ARGV[4 * i + 3])
    local ends = tonumber(ARGV[4 * i + 4])
    local level, moment = 0, now
    if known[i] then
      local l, m = string.match(known[i], '^(%d+) (%d+)$')
      level, moment = tonumber(l), tonumber(m)
    end
    if ends > 0 then
      moment = 0
    elseif known[i] then
      if moment > now + skew then
        level, moment = 0, now
      elseif moment < now then
        level = math.max(0, level - (now - moment) * drain)
        moment = now
      end
    end
    if extra > 0 then capacity = capacity + math.min(extra * unit, 4503599627370496) end
    local over = level + cost * unit - capacity
    local this_wait = 0
    if cost * unit > capacity then
      this_wait = math.huge
    elseif over > 0 then
      this_wait = ends > 0 and math.max(1, ends - now) or math.ceil(over / drain)
    end
    if this_wait > wait then
      wait, refusing, left = this_wait, i - 1, math.max(0, math.floor((capacity - level) / unit))
    end
    level = level + cost * unit
    filled[i] = string.format('%.0f %.0f', level, moment)
    local lasts = ends > 0 and math.max(0, ends - now) or level / drain
    life[i] = string.format('%.0f', math.ceil((lasts + skew) / 1000))
    local remaining = math.floor((capacity - level) / unit)
    if not least or remaining < least then least, tightest = remaining, i - 1 end
  end
  local again = false
  if not looked and (wait > 0 or least == 0) then
    looked = true
    local grant = redis.call('GET', string.match(KEYS[1], '^(.*})w') .. '+')
    if grant then
      local units, till = string.match(grant, '^(%d+) (%d+)$')
      if tonumber(till) > now then extra, again = tonumber(units), true end
    end
  end
until not again

local answer
if wait > 0 then
  if wait == math.huge then wait = -1 end
  answer = string.format('0 %.0f %.0f %d', left, wait, refusing)
else
  answer = string.format('1 %.0f 0 %d', least, tightest)
  if cost > 0 then
    for i = 1, windows do redis.call('SET', KEYS[i], filled[i], 'PX', life[i]) end
  end
end
if answer_life > 0 then
  redis.call('SET', KEYS[windows + 1], string.format('%.0f ', now + answer_life) .. answer,
    'PX', string.format('%.0f', (answer_life + skew) / 1000))
end
return '0 ' .. answer
