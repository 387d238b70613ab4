-- Have a delivery tried again later.
--
-- KEYS  due
-- ARGV  entry id, how often it had been tried, how often it has, in how many milliseconds it is tried next
-- Returns 1; 0 if it is dealt with, or somebody else has tried it.

if redis.call('ZREM', KEYS[1], ARGV[1] .. ':' .. ARGV[2]) == 0 then return 0 end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms + tonumber(ARGV[4])), ARGV[1] .. ':' .. ARGV[3])
return 1
