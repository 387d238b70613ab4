#!lua flags=allow-oom
-- Ask for a snapshot of a document at its head, however short and busy its log is.
--
-- KEYS  document, changed
-- ARGV  document id
-- Returns 1; 0 where the document is not there.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'wanted', redis.call('HGET', KEYS[1], 'head') or '0')
-- A document that has not changed since it was looked at is not looked at again.
local now = redis.call('TIME')
redis.call('ZADD', KEYS[2], 'XX', string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000)), ARGV[1])
return 1
