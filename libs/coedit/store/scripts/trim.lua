#!lua flags=allow-oom
-- Cut off the beginning of a document's log, which the archive holds.
--
-- KEYS  folder, document, log
-- ARGV  token, epoch, old floor, new floor
-- Returns 'trimmed', or what did not fit: 'fenced' (the shard is somebody else's), 'stale' (the document is not where
-- it was), 'refused' (the snapshot does not cover it, or nothing would be left of the log).

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
local now = redis.call('HMGET', KEYS[2], 'epoch', 'head', 'floor', 'snapshot')
if now[1] ~= ARGV[2] or (now[3] or '0') ~= ARGV[3] then return 'stale' end
local floor = tonumber(ARGV[4])
if floor <= tonumber(ARGV[3]) or floor > tonumber(now[4] or 0) or floor >= tonumber(now[2]) then return 'refused' end
if redis.call('TYPE', KEYS[3]).ok ~= 'stream' then return 'stale' end
redis.call('HSET', KEYS[2], 'floor', ARGV[4])
redis.call('XTRIM', KEYS[3], 'MINID', '=', string.format('%.0f-0', floor + 1))
-- Counted by the commits, and measured here: what else changes a log need not count. A user without the right does without.
local size = redis.pcall('MEMORY', 'USAGE', KEYS[3], 'SAMPLES', 0) or 0
if type(size) == 'number' then redis.call('HSET', KEYS[2], 'log_bytes', size) end
return 'trimmed'
