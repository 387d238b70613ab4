#!lua flags=allow-oom
-- Take note of what was decided about a document, unless something was decided since, and of when it is to be looked at.
--
-- KEYS  deleted, deletions
-- ARGV  document id, number of the decision, the decision, 'note' (not to be looked at later than), 'due' (to be looked at
--       then) or 'forget' (all of it), when (ms)
-- Returns 1; 0 if a later decision is known.

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and tonumber(string.match(known, '^%d+')) > tonumber(ARGV[2]) then return 0 end
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
return 1
