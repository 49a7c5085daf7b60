-- tallies - what the reports do with tallies, each in one step.
--
-- KEYS  of a book by page: numbers, headings, marks; for `lines` those of one page
-- ARGV  pages                     name, heading, mark, lines and lost of each page, each with a newline behind it
--       lines                     line and number of each, likewise
--       mark PAGE EXPECTED MARK   1 if it was put there, else 0
-- No name and no text holds a newline.

local verb, words = ARGV[1], {}
if verb == 'lines' then
  words = redis.call('HGETALL', KEYS[1])
elseif verb == 'mark' then
  if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return '0' end
  if (redis.call('HGET', KEYS[3], ARGV[2]) or '') ~= ARGV[3] then return '0' end
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
  redis.call('PEXPIRE', KEYS[3], math.max(1, redis.call('PTTL', KEYS[1])))
  return '1'
else
  local numbers, headings, marks = redis.call('HGETALL', KEYS[1]), {}, {}
  for i, kept in ipairs({headings, marks}) do
    local found = redis.call('HGETALL', KEYS[i + 1])
    for n = 1, #found, 2 do kept[found[n]] = found[n + 1] end
  end
  for n = 1, #numbers, 2 do
    local name = numbers[n]
    if name ~= '' then
      local lines, lost = string.match(numbers[n + 1], '^(%d+) (%d+)$')
      for _, word in ipairs({name, headings[name] or '', marks[name] or '', lines, lost}) do
        words[#words + 1] = word
      end
    end
  end
end
if #words == 0 then return '' end
return table.concat(words, '\n') .. '\n'
