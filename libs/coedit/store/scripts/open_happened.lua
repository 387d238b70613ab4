-- Begin to gather what applications are to be told: whoever adds to the stream does so only where it is there.
--
-- KEYS  happened, taken
-- Returns 1; 0 if it was there.

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XDEL', KEYS[1], redis.call('XADD', KEYS[1], '*', 'event', ''))
redis.call('SET', KEYS[2], 1)
return 1
