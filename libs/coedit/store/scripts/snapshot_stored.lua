#!lua flags=allow-oom
-- Take note of a snapshot that is in the object store, and tell who has the document open.
--
-- KEYS  document, events, log, happened, fresh
-- ARGV  expected epoch, revision and number of the snapshot, message to publish, event for applications, what the
--       document was listed as
-- Returns 'stored'; 'known' where this or a later one was noted before; 'stale' where the document is in another epoch,
-- below that revision, or not there.

local now = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'number')
if now[1] ~= ARGV[1] or tonumber(now[2]) < tonumber(ARGV[2]) then return 'stale' end
redis.call('ZREM', KEYS[5], ARGV[6]) -- the object store lists it from now on
if tonumber(now[3] or 0) >= tonumber(ARGV[3]) then return 'known' end
if redis.call('EXISTS', KEYS[4]) == 1 then
    -- Of what is above the snapshot before, nobody has been told unless it says so.
    redis.call('HSETNX', KEYS[1], 'told', redis.call('HGET', KEYS[1], 'snapshot') or 0)
    redis.call('XADD', KEYS[4], 'NOMKSTREAM', 'MAXLEN', '~', 10000, '*', 'event', ARGV[5])
end
redis.call('HSET', KEYS[1], 'snapshot', ARGV[2], 'number', ARGV[3])
-- As trim.lua does; what it finds too large is trimmed next.
local size = redis.pcall('MEMORY', 'USAGE', KEYS[3], 'SAMPLES', 0) or 0
if type(size) == 'number' then redis.call('HSET', KEYS[1], 'log_bytes', size) end
redis.call('SPUBLISH', KEYS[2], ARGV[4])
return 'stored'
