-- Put a document where it is known to have been: its position, and the commits that were given back.
--
-- KEYS  owner, changed, document, log, events, damaged, idle, fresh, deleted
-- ARGV  token, expected epoch and head (0 and 0: not there), id, then what is set: epoch, head, mac, floor, snapshot, number,
--       incarnation, lost ("first-last", may be empty), bridge (may be empty), 1 to drop the log first, message to publish (may be empty),
--       what it is listed as (may be empty), the commits, which end at the head
-- Returns 'restored', or what did not fit: 'fenced', 'stale', 'broken' (the log does not end where the commits begin, or the
--         document is quarantined: then an operator sees to it), 'erased'.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
if string.find(redis.call('HGET', KEYS[9], ARGV[4]) or '', ' eras', 1, true) then return 'erased' end
if redis.call('HEXISTS', KEYS[6], ARGV[4]) == 1 then return 'broken' end
local now = redis.call('HMGET', KEYS[3], 'epoch', 'head')
if (now[1] or '0') ~= ARGV[2] or (now[2] or '0') ~= ARGV[3] then return 'stale' end
local head, count, first = tonumber(ARGV[6]), #ARGV - 16, 17
local is_dropped = ARGV[14] == '1'
if count > 0 and not is_dropped then
    local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
    if last and last[1] ~= string.format('%.0f-0', head - count) then return 'broken' end
end
if is_dropped then redis.call('DEL', KEYS[4]) end
for offset = 1, count do
    redis.call('XADD', KEYS[4], string.format('%.0f-0', head - count + offset), 'commit', ARGV[first + offset - 1])
end
redis.call('HSET', KEYS[3], 'epoch', ARGV[5], 'head', ARGV[6], 'mac', ARGV[7], 'floor', ARGV[8], 'snapshot', ARGV[9],
    'number', ARGV[10], 'incarnation', ARGV[11], 'lost', ARGV[12], 'bridge', ARGV[13])
local time = redis.call('TIME')
local waits_for = ARGV[6] ~= ARGV[9] and KEYS[2] or KEYS[7]
redis.call('ZADD', waits_for, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[4])
if ARGV[16] ~= '' then redis.call('ZADD', KEYS[8], 0, ARGV[16]) end
if ARGV[15] ~= '' then redis.call('SPUBLISH', KEYS[5], ARGV[15]) end
return 'restored'
