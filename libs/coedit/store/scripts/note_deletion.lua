#!lua flags=allow-oom
-- Take note of what was decided about a document, unless something was decided since, and of when it is to be looked at.
--
-- KEYS  deleted, deletions, happened
-- ARGV  document id, number of the decision, the decision, 'note' (not to be looked at later than), 'due' (to be looked at
--       then) or 'forget' (all of it), when (ms), event for applications, where this is news (may be empty)
-- Returns 1; 0 if a later decision is known.

local known = redis.call('HGET', KEYS[1], ARGV[1])
local number = known and tonumber(string.match(known, '^%d+')) or 0
if number > tonumber(ARGV[2]) then return 0 end
if ARGV[4] == 'forget' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    return 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == 'due' then
    redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
else
    redis.call('ZADD', KEYS[2], 'LT', ARGV[5], ARGV[1])
end
if ARGV[6] ~= '' and number < tonumber(ARGV[2]) then
    redis.call('XADD', KEYS[3], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[6])
end
return 1
