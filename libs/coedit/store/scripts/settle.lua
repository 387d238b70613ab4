-- Forget that a document changed, if a snapshot covers all of it, or if it is not there any more.
--
-- KEYS  document, changed
-- ARGV  document id
-- Returns 1 if it is settled, 0 if there are commits above the snapshot.

local now = redis.call('HMGET', KEYS[1], 'head', 'snapshot')
if now[1] and now[1] ~= now[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
