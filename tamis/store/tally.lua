-- tally - `Tallies.tally` in one step. The twin of `room` in tallying.py.
--
-- KEYS  of a book by page: numbers, headings, marks; then the lines of the page
-- ARGV  page, heading, line, most pages, most lines of a page, most lines of the book, share, life (ms)
-- Numbers are "lines lost"; those of the page "" are all lines of the book and how many pages it has.

local page, heading, line = ARGV[1], ARGV[2], ARGV[3]
local function numbers(name)
  local one, two = string.match(redis.call('HGET', KEYS[1], name) or '', '^(%d+) (%d+)$')
  return tonumber(one), tonumber(two)
end
local function put(name, one, two)
  redis.call('HSET', KEYS[1], name, string.format('%.0f %.0f', one, two))
end

local all, pages = numbers('')
all, pages = all or 0, pages or 0
local lines, lost = numbers(page)
if not lines then
  if pages >= tonumber(ARGV[4]) then return '0' end
  lines, lost, pages = 0, 0, pages + 1
end

local fits = true
if redis.call('HEXISTS', KEYS[4], line) == 0 then
  fits = lines < math.min(tonumber(ARGV[5]), math.floor((tonumber(ARGV[6]) - all) / tonumber(ARGV[7])))
  if fits then lines, all = lines + 1, all + 1 else lost = lost + 1 end
end
if fits then redis.call('HINCRBY', KEYS[4], line, 1) end
put(page, lines, lost)
put('', all, pages)
redis.call('HSET', KEYS[2], page, heading)
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[8]) end
return fits and '1' or '0'
