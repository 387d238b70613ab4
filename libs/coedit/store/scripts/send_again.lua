-- Put a delivery that failed back into its endpoint's queue, under the id that it had.
--
-- KEYS  failed, deliveries, due, endpoints
-- ARGV  entry id, endpoint
-- Returns 1; 0 if there is no such failure, or it was sent again before.

local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local fields = {}
for at = 1, #entry[2], 2 do fields[entry[2][at]] = entry[2][at + 1] end
if fields.endpoint ~= ARGV[2] then return 0 end
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[4], ARGV[2])
local id = redis.call('XADD', KEYS[2], '*', 'id', fields.id, 'type', fields.type, 'body', fields.body)
local time = redis.call('TIME')
redis.call('ZADD', KEYS[3], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), id .. ':0')
return 1
