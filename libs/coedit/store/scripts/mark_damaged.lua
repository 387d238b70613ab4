-- Quarantine a document: from now on the commit script refuses it. Whoever has it open is told.
--
-- KEYS  damaged, events, happened
-- ARGV  document id, what is wrong, 1 to take the place of what was found before, message to publish, event for applications
-- Returns 1; 0 if it was quarantined before, and is left so.

if ARGV[3] ~= '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[3], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[5])
redis.call('SPUBLISH', KEYS[2], ARGV[4])
return 1
