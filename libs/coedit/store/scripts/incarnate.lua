-- Begin another incarnation of a shard: what Redis holds of it is suspect until a time by Redis's clock.
--
-- KEYS  owner, incarnation
-- ARGV  token, id of the incarnation as we know it (empty: there is none), id of the new one, server,
--       for how long the shard is suspect (ms; 0: not at all)
-- Returns {id, suspect_until (ms since 1970; 0: not suspect)}; {} if the shard is no longer ours, or not as we know it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('HGET', KEYS[2], 'id') or '') ~= ARGV[2] then
    return {}
end
local suspect_until = '0'
if tonumber(ARGV[5]) > 0 then
    local now = redis.call('TIME')
    suspect_until = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[5]))
end
redis.call('HSET', KEYS[2], 'id', ARGV[3], 'server', ARGV[4], 'suspect_until', suspect_until)
return {ARGV[3], suspect_until}
