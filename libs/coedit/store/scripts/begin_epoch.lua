-- Begin another epoch of a document where it stands, be it written meanwhile or not.
--
-- KEYS  owner, changed, document, events, damaged, idle, happened, fresh, deleted
-- ARGV  token, expected epoch (0: not there), id, epoch, incarnation, lost (may be empty), message to publish (may be empty), then what
--       is set where it is not there: head, mac, floor, snapshot, number, bridge (may be empty); event for applications (may be empty),
--       what it is listed as (may be empty)
-- Returns 'begun', or what did not fit: 'fenced', 'stale', 'broken' (it is quarantined: then an operator sees to it), 'erased'.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
if string.find(redis.call('HGET', KEYS[9], ARGV[3]) or '', ' eras', 1, true) then return 'erased' end
if redis.call('HEXISTS', KEYS[5], ARGV[3]) == 1 then return 'broken' end
local now = redis.call('HMGET', KEYS[3], 'epoch', 'head', 'snapshot')
if (now[1] or '0') ~= ARGV[2] then return 'stale' end
if not now[1] then
    now[2], now[3] = ARGV[8], ARGV[11]
    if ARGV[15] ~= '' then redis.call('ZADD', KEYS[8], 0, ARGV[15]) end
    redis.call('HSET', KEYS[3], 'head', ARGV[8], 'mac', ARGV[9], 'floor', ARGV[10], 'snapshot', ARGV[11], 'number', ARGV[12], 'bridge', ARGV[13])
end
redis.call('HSET', KEYS[3], 'epoch', ARGV[4], 'incarnation', ARGV[5], 'lost', ARGV[6])
redis.call('HDEL', KEYS[3], 'told')
local time = redis.call('TIME')
local waits_for = now[2] ~= now[3] and KEYS[2] or KEYS[6]
redis.call('ZADD', waits_for, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[3])
if ARGV[14] ~= '' then redis.call('XADD', KEYS[7], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[14]) end
if ARGV[7] ~= '' then redis.call('SPUBLISH', KEYS[4], ARGV[7]) end
return 'begun'
