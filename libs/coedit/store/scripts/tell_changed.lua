-- Have applications told of what was committed to a document, and note that they were: both, or neither.
--
-- KEYS  document, happened
-- ARGV  epoch, what was told before (empty: nothing is noted), newest revision of which the event tells, event
-- Returns 1; 0 if the document is not where it was, or if nobody wants to be told.

local now = redis.call('HMGET', KEYS[1], 'epoch', 'told')
if now[1] ~= ARGV[1] or (now[2] or '') ~= ARGV[2] or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[4])
redis.call('HSET', KEYS[1], 'told', ARGV[3])
return 1
