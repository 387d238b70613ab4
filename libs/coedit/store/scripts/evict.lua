#!lua flags=allow-oom
-- Take a document that nobody edits out of Redis: it opens from its snapshot, and comes back with its next commit.
--
-- KEYS  folder, document, log, changed, idle, damaged
-- ARGV  token, document id, the epoch, head and number that were found covered by the object store, the newest time of a
--       last commit that counts as idle (ms)
-- Returns 'evicted', or why not: 'fenced' (the shard is somebody else's), 'stale' (the document is not where it was, or was
-- edited since), 'kept' (it has commits above its snapshot, is damaged, or has lost revisions, which nothing else would tell of).

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
local now = redis.call('HMGET', KEYS[2], 'epoch', 'head', 'snapshot', 'number', 'lost')
local idle_since = redis.call('ZSCORE', KEYS[5], ARGV[2])
if not now[1] or redis.call('ZSCORE', KEYS[4], ARGV[2]) then
    redis.call('ZREM', KEYS[5], ARGV[2]) -- it is listed again once it is settled
    return 'stale'
end
if now[1] ~= ARGV[3] or now[2] ~= ARGV[4] or now[4] ~= ARGV[5] then return 'stale' end
if not idle_since or tonumber(idle_since) > tonumber(ARGV[6]) then return 'stale' end
if now[3] ~= now[2] or redis.call('HEXISTS', KEYS[6], ARGV[2]) == 1 or (now[5] or '') ~= '' then return 'kept' end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
if last and last[1] ~= now[2] .. '-0' then return 'kept' end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[5], ARGV[2])
return 'evicted'
