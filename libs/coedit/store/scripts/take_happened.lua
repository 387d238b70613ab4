-- Put what happened into the queues of the endpoints that want it, each event once whoever else does so.
--
-- KEYS  happened, taken, endpoints, then per endpoint: deliveries, due
-- ARGV  count of endpoints, each of their names, then per event: entry id, message id, type, body, which endpoints want it (a digit for each: 1 or 0)
-- Returns how many events were taken, how many others were dropped since it was asked last, and how many deliveries each endpoint has now.

local count = tonumber(ARGV[1])
for index = 1, count do redis.call('SADD', KEYS[3], ARGV[1 + index]) end
local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local taken = 0
for at = 2 + count, #ARGV, 5 do
    if redis.call('XDEL', KEYS[1], ARGV[at]) == 1 then
        taken = taken + 1
        for index = 1, count do
            if string.sub(ARGV[at + 4], index, index) == '1' then
                local id = redis.call('XADD', KEYS[2 + 2 * index], '*', 'id', ARGV[at + 1], 'type', ARGV[at + 2], 'body', ARGV[at + 3])
                redis.call('ZADD', KEYS[3 + 2 * index], now_ms, id .. ':0')
            end
        end
    end
end
local answer = {taken, 0}
local facts = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('XINFO', 'STREAM', KEYS[1]) or {}
local known = {}
for at = 1, #facts, 2 do known[facts[at]] = facts[at + 1] end
if known['entries-added'] then
    -- Whatever was added and is neither there nor taken, was dropped since there was too much of it.
    local gone = known['entries-added'] - known['length']
    answer[2] = math.max(0, gone - taken - tonumber(redis.call('GET', KEYS[2]) or gone - taken))
    redis.call('SET', KEYS[2], gone)
end
for index = 1, count do answer[#answer + 1] = redis.call('XLEN', KEYS[2 + 2 * index]) end
return answer
