-- Let a document take writes again, if nothing else was found in the meantime. Whoever has it open is told.
--
-- KEYS  damaged, events
-- ARGV  document id, what was wrong, message to publish
-- Returns 1; 0 if it is quarantined for another reason, or not at all.

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SPUBLISH', KEYS[2], ARGV[3])
return 1
