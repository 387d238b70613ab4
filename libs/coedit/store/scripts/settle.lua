#!lua flags=allow-oom
-- Forget that a document changed, if a snapshot covers all of it, or if it is not there any more; it is idle then.
--
-- KEYS  document, changed, idle
-- ARGV  document id, 1 if applications are told of commits
-- Returns 1 if it is settled, 0 if there are commits above the snapshot, or some of which applications want to be told.

local now = redis.call('HMGET', KEYS[1], 'head', 'snapshot', 'told')
if now[1] and now[1] ~= now[2] then return 0 end
if now[1] and ARGV[2] == '1' and now[1] ~= (now[3] or now[2]) then return 0 end
local changed_at = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if now[1] and changed_at then redis.call('ZADD', KEYS[3], changed_at, ARGV[1]) end
return 1
