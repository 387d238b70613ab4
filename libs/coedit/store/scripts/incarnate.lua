-- Begin another incarnation of a shard: what Redis holds of it is suspect until a time by Redis's clock.
-- A suspicion that had not ended begins anew at its whole length: what was lost before it may still be given back.
--
-- KEYS  owner, incarnation
-- ARGV  token, id of the incarnation as we know it (empty: there is none), id of the new one, server,
--       for how long the shard is suspect (ms; 0: not at all)
-- Returns {id, suspect_until (ms since 1970; 0: not suspect)}; {} if the shard is no longer ours, or not as we know it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('HGET', KEYS[2], 'id') or '') ~= ARGV[2] then
    return {}
end
local grace_ms, suspect_until = tonumber(ARGV[5]), '0'
local known = redis.call('HMGET', KEYS[2], 'suspect_until', 'grace_ms')
if (known[1] or '0') ~= '0' then grace_ms = math.max(grace_ms, tonumber(known[2] or '0')) end
if grace_ms > 0 then
    local now = redis.call('TIME')
    suspect_until = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + grace_ms)
end
redis.call('HSET', KEYS[2], 'id', ARGV[3], 'server', ARGV[4], 'suspect_until', suspect_until, 'grace_ms', grace_ms)
return {ARGV[3], suspect_until}
