-- hold - `Counters.hold` in one step, behind attempt.lua. The twin of `decide_held` in holding.py.
--
-- KEYS  one for each window, that of a grant, the list of what is held, and with `once` the remembered answer
-- ARGV  that of attempt.lua, then token, keep (us; 0 settles), more, lapse, longest keep (us), most entries, life of the
--       list (ms)
-- The list is "token:units:expires ...".

local token, keep = ARGV[2], tonumber(ARGV[3])
local extra = granted(known[windows + 1])

local before = known[windows + 2] or ''
local mine, mine_entry, kept, counts, overdue, others = 0, nil, {}, {}, 0, 0
for entry, name, units, expires in string.gmatch(before, '(([^:%s]+):(%d+):(%d+))') do
  units, expires = tonumber(units), tonumber(expires)
  if name == token then
    mine, mine_entry = units, entry
  elseif now < expires and expires <= now + tonumber(ARGV[6]) + skew then
    kept[#kept + 1], counts[#counts + 1] = entry, units
    others = others + units
  elseif expires <= now and ARGV[5] == '0' then
    overdue = overdue + units
  end
end
if #kept >= tonumber(ARGV[7]) then
  local first = table.remove(counts, 1)
  table.remove(kept, 1)
  overdue, others = overdue + first, others - first
end

local total = cost
if ARGV[4] == '1' then total = math.min(mine + cost, EXACT + 1) end
local limits = {}
local wait, refusing, left = 0, 0, 0
local least, tightest

for i = 1, windows do
  local unit, drain, capacity, ends = unpack(numbers, 4 * i + 1, 4 * i + 4)
  local level, moment = drained(known[i], drain, ends)
  if extra > 0 then capacity = capacity + math.min(extra * unit, EXACT) end
  level = math.max(level, math.min(level + overdue * unit, capacity))
  limits[i] = {level, moment, unit, drain, ends}
  local full = math.max(level, math.min(level + others * unit, capacity))
  local this_wait = wait_for(total * unit, full, capacity, drain, ends)
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
  answer = refused(left, wait, refusing)
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
    fill(KEYS[i], math.min(level + taken * unit, EXACT), moment, drain, ends)
  end
end

local after = table.concat(kept, ' ')
if after ~= before then
  if after == '' then
    redis.call('DEL', KEYS[windows + 2])
  else
    redis.call('SET', KEYS[windows + 2], after, 'PX', ARGV[8])
  end
end
return remembered(answer)
