-- Note that a shard is suspect no more, and drop the offers that were dealt with.
--
-- KEYS  owner, incarnation, offers
-- ARGV  token, id of the incarnation, id of the last offer that was dealt with (empty: none)
-- Returns 1; 0 if the shard is no longer ours, or not as we know it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], 'id') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], 'suspect_until', '0')
if ARGV[3] ~= '' then
    redis.call('XTRIM', KEYS[3], 'MINID', '=', ARGV[3])
    redis.call('XDEL', KEYS[3], ARGV[3])
end
return 1
