-- Note how far a shard's reports were dealt with, and drop them from the stream.
--
-- KEYS  keeper, position, reports
-- ARGV  token, position as we know it (empty: none), id of the last entry that was dealt with
-- Returns 1; 0 if the shard is no longer ours, or somebody else worked on it since we loaded it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('XTRIM', KEYS[3], 'MINID', '~', ARGV[3])
return 1
