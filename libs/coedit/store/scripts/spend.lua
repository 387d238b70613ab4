-- Spend of what authors may, each of a rate of its own (GCRA: a key holds when all that may be had at once is there again).
--
-- KEYS  the rates
-- ARGV  for each: how much, how much comes back a second, how much there is at once, and 1 if it is spent already: then
--       it counts whatever the answer is
-- Returns for each how long to wait (us); 0: not at all. What has to wait is not spent, unless it was already.

local LONGEST_DEBT_US = 10000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local waits = {}
for number, key in ipairs(KEYS) do
  local at = (number - 1) * 4
  local each_us = 1000000 / ARGV[at + 2]
  local at_once_us = ARGV[at + 3] * each_us
  local full_at = math.max(tonumber(redis.call('GET', key) or now), now) + ARGV[at + 1] * each_us
  local wait = math.max(0, full_at - at_once_us - now)
  if wait == 0 or ARGV[at + 4] == '1' then
    full_at = math.min(full_at, now + at_once_us + LONGEST_DEBT_US)
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
  end
  waits[number] = math.ceil(wait)
end
return waits
