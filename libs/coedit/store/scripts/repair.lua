-- Put a damaged document right: its position, its log, and the end of its quarantine, in one step.
--
-- While it is quarantined nobody commits to it; a snapshot may be noted and the log be trimmed, which its position shows.
--
-- KEYS  document, log, staged, damaged, events, changed, fresh
-- ARGV  id, the quarantine as we entered it, 1 if the position is a hash, its fields as we read them (epoch, head, mac, floor,
--       snapshot, number, incarnation, lost, bridge; absent: empty), what they become, 1 to put the staged log in the place of the log,
--       message to publish, what it is listed as (may be empty)
-- Returns 'repaired', or what did not fit: 'moved' (the position), 'quarantine' (somebody else found or repaired something).

local names = {'epoch', 'head', 'mac', 'floor', 'snapshot', 'number', 'incarnation', 'lost', 'bridge'}
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] then return 'quarantine' end
local kind = redis.call('TYPE', KEYS[1]).ok
local is_hash = kind == 'hash' or kind == 'none'
if is_hash ~= (ARGV[3] == '1') then return 'moved' end
if is_hash then
    local now = redis.call('HMGET', KEYS[1], unpack(names))
    for index = 1, #names do
        if (now[index] or '') ~= ARGV[3 + index] then return 'moved' end
    end
end
redis.call('DEL', KEYS[1])
for index, name in ipairs(names) do redis.call('HSET', KEYS[1], name, ARGV[12 + index]) end
if ARGV[22] == '1' then
    redis.call('DEL', KEYS[2])
    if redis.call('EXISTS', KEYS[3]) == 1 then
        redis.call('PERSIST', KEYS[3])
        redis.call('RENAME', KEYS[3], KEYS[2])
    end
end
redis.call('HDEL', KEYS[4], ARGV[1])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[6], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
if ARGV[24] ~= '' then redis.call('ZADD', KEYS[7], 0, ARGV[24]) end
redis.call('SPUBLISH', KEYS[5], ARGV[23])
return 'repaired'
