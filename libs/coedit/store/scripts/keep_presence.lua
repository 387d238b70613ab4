-- Keep what changed in one document's presence, and announce it, in one step: nobody can read a roster that
-- contradicts what was announced, and a service that lost its shard changes and announces nothing.
--
-- KEYS  keeper, position, deadlines, roster, happened, then one presence key a client
-- ARGV  token, position as we know it (empty: none), channel, message (empty: nothing to announce), then for each
--       client, in the order of its key: client id, its member of deadlines, deadline (ms since 1970),
--       presence (empty: the client is gone); then the events for applications
-- Returns 1; 0 if the shard is no longer ours, or somebody else worked on it since we loaded it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then
    return 0
end
local deadlines, roster = KEYS[3], KEYS[4]
for i = 6, #KEYS do
    local at = 4 * (i - 5) + 1
    local client, member, deadline, presence = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if presence == '' then
        redis.call('DEL', KEYS[i])
        redis.call('SREM', roster, client)
        redis.call('ZREM', deadlines, member)
    else
        redis.call('SET', KEYS[i], presence, 'PXAT', deadline)
        redis.call('SADD', roster, client)
        redis.call('ZADD', deadlines, deadline, member)
    end
end
for at = 4 * (#KEYS - 4) + 1, #ARGV do
    redis.call('XADD', KEYS[5], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[at])
end
if ARGV[4] ~= '' then
    redis.call('SPUBLISH', ARGV[3], ARGV[4])
end
return 1
