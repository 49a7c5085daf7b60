-- hold - `Counters.hold` in one step. The twin of `decide_held` in holding.py.
--
-- KEYS  one for each window, that of a grant, the list of what is held, and with `once` the remembered answer
-- ARGV  now (us), cost, skew (us), life of the answer (us; 0 without `once`), token, keep (us; 0 settles), more, lapse,
--       longest keep (us), most entries, life of the list (ms), then unit, drain, capacity, end of each window
-- A bucket is "level moment", a grant "units until", the list "token:units:expires ...", answers as in charge.lua.
-- Numbers are whole and below 2^53, where doubles are exact; "%.0f", for tostring would round them.

local EXACT = 4503599627370496
local now, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local skew, answer_life = tonumber(ARGV[3]), tonumber(ARGV[4])
local token, keep = ARGV[5], tonumber(ARGV[6])
local windows = (#ARGV - 11) / 4
local known = redis.call('MGET', unpack(KEYS))

if answer_life > 0 and known[#KEYS] then
  local expires, answer = string.match(known[#KEYS], '^(%d+) (.+)$')
  if now < tonumber(expires) then return '1 ' .. answer end
end

local extra = 0
if known[windows + 1] then
  local units, till = string.match(known[windows + 1], '^(%d+) (%d+)$')
  if tonumber(till) > now then extra = tonumber(units) end
end

local before = known[windows + 2] or ''
local mine, mine_entry, kept, counts, overdue, others = 0, nil, {}, {}, 0, 0
for entry, name, units, expires in string.gmatch(before, '(([^:%s]+):(%d+):(%d+))') do
  units, expires = tonumber(units), tonumber(expires)
  if name == token then
    mine, mine_entry = units, entry
  elseif now < expires and expires <= now + tonumber(ARGV[9]) + skew then
    kept[#kept + 1], counts[#counts + 1] = entry, units
    others = others + units
  elseif expires <= now and ARGV[8] == '0' then
    overdue = overdue + units
  end
end
if #kept >= tonumber(ARGV[10]) then
  local first = table.remove(counts, 1)
  table.remove(kept, 1)
  overdue, others = overdue + first, others - first
end

local total = cost
if ARGV[7] == '1' then total = math.min(mine + cost, EXACT + 1) end
local limits = {}
local wait, refusing, left = 0, 0, 0
local least, tightest

for i = 1, windows do
  local at = 4 * i + 8
  local unit, drain, capacity = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local ends = tonumber(ARGV[at + 3])
  local level, moment = 0, now
  if known[i] then
    local l, m = string.match(known[i], '^(%d+) (%d+)$')
    level, moment = tonumber(l), tonumber(m)
  end
  if ends > 0 then
    moment = 0
  elseif moment > now + skew then
    level, moment = 0, now
  elseif moment < now then
    level, moment = math.max(0, level - (now - moment) * drain), now
  end
  if extra > 0 then capacity = capacity + math.min(extra * unit, EXACT) end
  level = math.max(level, math.min(level + overdue * unit, capacity))
  limits[i] = {level, moment, unit, drain, ends}
  local full = math.max(level, math.min(level + others * unit, capacity))
  local over = full + total * unit - capacity
  local this_wait = 0
  if total * unit > capacity then
    this_wait = math.huge
  elseif over > 0 then
    this_wait = ends > 0 and math.max(1, ends - now) or math.ceil(over / drain)
  end
  if this_wait > wait then
    wait, refusing, left = this_wait, i - 1, math.max(0, math.floor((capacity - full) / unit))
  end
  local remaining = math.floor((capacity - full - total * unit) / unit)
  if not least or remaining < least then least, tightest = remaining, i - 1 end
end

local allowed = wait == 0 or (mine_entry and total <= mine)
local answer
if wait == 0 then
  answer = string.format('1 %.0f 0 %d', least, tightest)
elseif allowed then
  answer = '1 0 0 0'
else
  answer = string.format('0 %.0f %.0f %d', left, wait == math.huge and -1 or wait, refusing)
end

if allowed and keep > 0 and total > 0 then
  kept[#kept + 1] = string.format('%s:%.0f:%.0f', token, total, now + keep)
elseif not allowed and keep > 0 and mine_entry then
  kept[#kept + 1] = mine_entry
end
local taken = (allowed and keep == 0) and total or 0
if overdue > 0 or taken > 0 then
  for i = 1, windows do
    local level, moment, unit, drain, ends = unpack(limits[i])
    level = math.min(level + taken * unit, EXACT)
    local lasts = ends > 0 and math.max(0, ends - now) or level / drain
    redis.call('SET', KEYS[i], string.format('%.0f %.0f', level, moment),
      'PX', string.format('%.0f', math.ceil((lasts + skew) / 1000)))
  end
end

local after = table.concat(kept, ' ')
if after ~= before then
  if after == '' then
    redis.call('DEL', KEYS[windows + 2])
  else
    redis.call('SET', KEYS[windows + 2], after, 'PX', ARGV[11])
  end
end
if answer_life > 0 then
  redis.call('SET', KEYS[#KEYS], string.format('%.0f ', now + answer_life) .. answer,
    'PX', string.format('%.0f', (answer_life + skew) / 1000))
end
return '0 ' .. answer
