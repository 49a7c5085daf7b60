-- charge - `Store.charge` in one step, behind attempt.lua: all windows or none. The twin of `decide` in bucket.py.
--
-- KEYS  one for each window, and with `once` the remembered answer behind them; beside them lies a grant, in the same
--       slot, which is only looked at where nothing would be left: to name it at every request costs a fifth
-- ARGV  that of attempt.lua

local filled = {}
local wait, refusing, left, least, tightest
local extra, looked = 0, false

repeat
  wait, refusing, left, least = 0, 0, 0, nil
  for i = 1, windows do
    local unit, drain, capacity, ends = unpack(numbers, 4 * i + 1, 4 * i + 4)
    local level, moment = drained(known[i], drain, ends)
    if extra > 0 then capacity = capacity + math.min(extra * unit, EXACT) end
    local this_wait = wait_for(cost * unit, level, capacity, drain, ends)
    if this_wait > wait then
      wait, refusing, left = this_wait, i - 1, math.max(0, math.floor((capacity - level) / unit))
    end
    level = level + cost * unit
    filled[i] = {level, moment, drain, ends}
    local remaining = math.floor((capacity - level) / unit)
    if not least or remaining < least then least, tightest = remaining, i - 1 end
  end
  local again = false
  if not looked and (wait > 0 or least == 0) then
    looked = true
    extra = granted(redis.call('GET', string.match(KEYS[1], '^(.*})w') .. '+'))
    again = extra > 0
  end
until not again

if wait > 0 then return remembered(refused(left, wait, refusing)) end
if cost > 0 then
  for i = 1, windows do fill(KEYS[i], unpack(filled[i])) end
end
return remembered(string.format('1 %.0f 0 %d', least, tightest))
