-- Tell how much waits in shards' streams, without handing over what it is.
--
-- KEYS  ops, of each shard
-- Returns for each in turn: how many entries, for how many ms the oldest has waited; -1 and -1 of what is no stream

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local told = {}
for _, key in ipairs(KEYS) do
    local length, age_ms = redis.pcall('XLEN', key), 0
    if type(length) ~= 'number' then
        length, age_ms = -1, -1
    elseif length > 0 then
        local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
        age_ms = math.max(0, now_ms - tonumber(string.match(first[1], '^%d+')))
    end
    told[#told + 1] = length
    told[#told + 1] = age_ms
end
return told
