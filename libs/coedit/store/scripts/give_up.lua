-- Put a delivery among those that failed, where it can be seen and sent again.
--
-- KEYS  deliveries, due, failed
-- ARGV  entry id, how often it had been tried, how often it has, endpoint, why, how many failures are kept
-- Returns how many older failures were forgotten for it; -1 if it is dealt with, or somebody else has tried it.

if redis.call('ZREM', KEYS[2], ARGV[1] .. ':' .. ARGV[2]) == 0 then return -1 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return -1 end
redis.call('XADD', KEYS[3], '*', 'endpoint', ARGV[4], 'attempts', ARGV[3], 'reason', ARGV[5], 'since', ARGV[1], unpack(entry[2]))
redis.call('XDEL', KEYS[1], ARGV[1])
return redis.call('XTRIM', KEYS[3], 'MAXLEN', '=', ARGV[6])
