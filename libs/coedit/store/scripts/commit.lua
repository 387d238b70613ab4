-- Commit one batch of one shard: all of it, or nothing.
--
-- A script that fails halfway keeps what it wrote, so everything is compared before the first write.
--
-- KEYS  owner, cursor, ops, changed, refused, damaged, fresh, deleted, then per document: document, log, events, ended
-- ARGV  token, old cursor, new cursor, 1 to publish, count of refused entries, each of them, then per document:
--       id, expected epoch, expected head (0 and 0: not there), epoch, head, mac, floor, snapshot, number, incarnation,
--       bridge (may be empty), what it is listed as if it is not there (may be empty), message to publish (may be empty), count of commits, each commit, count of clients that were rejected, each of them
-- Returns {'committed', when by Redis's clock (ms)}, or what did not fit: {'fenced'}, {'moved', cursor}, {'stale', index...}, {'broken', index...};
-- an index counts documents from 0.

local ENDED_MOST, ENDED_SECONDS = 4096, 30 * 86400

local token, old_cursor, new_cursor, publish = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
if redis.call('GET', KEYS[1]) ~= token then return {'fenced'} end
local cursor = redis.call('GET', KEYS[2]) or '0-0'
if cursor ~= old_cursor then return {'moved', cursor} end

local refused_count = tonumber(ARGV[5])
local documents, at = {}, 6 + refused_count
local stale, broken = {'stale'}, {'broken'}
while at <= #ARGV do
    local index = #documents
    local document = {
        id = ARGV[at], epoch = ARGV[at + 3], head = ARGV[at + 4], mac = ARGV[at + 5], floor = ARGV[at + 6],
        snapshot = ARGV[at + 7], number = ARGV[at + 8], incarnation = ARGV[at + 9], bridge = ARGV[at + 10], listed = ARGV[at + 11],
        message = ARGV[at + 12], count = tonumber(ARGV[at + 13]), first = at + 14, key = KEYS[9 + index * 4], log = KEYS[10 + index * 4],
        events = KEYS[11 + index * 4], ended = KEYS[12 + index * 4],
    }
    document.first_ended = document.first + document.count + 1
    document.ended_count = tonumber(ARGV[document.first_ended - 1])
    local expected_epoch, expected_head = ARGV[at + 1], ARGV[at + 2]
    local deletion = redis.call('HGET', KEYS[8], document.id)
    document.is_deleted = deletion and not string.find(deletion, ' restored ', 1, true)
    if document.count > 0 and document.is_deleted then
        stale[#stale + 1] = index -- whoever reads it again learns why
    elseif document.count > 0 then
        local kind, key_kind = redis.call('TYPE', document.log).ok, redis.call('TYPE', document.key).ok
        if (kind ~= 'stream' and kind ~= 'none') or (key_kind ~= 'hash' and key_kind ~= 'none')
            or redis.call('HEXISTS', KEYS[6], document.id) == 1 then
            broken[#broken + 1] = index
        else
            local now = redis.call('HMGET', document.key, 'epoch', 'head', 'floor')
            document.new = not now[1]
            if (now[1] or '0') ~= expected_epoch or (now[2] or '0') ~= expected_head then
                stale[#stale + 1] = index
            else
                -- A log that is missing, or ends elsewhere, is not an empty log.
                local last = redis.call('XREVRANGE', document.log, '+', '-', 'COUNT', 1)[1]
                local floor = now[3] or document.floor
                if (last and last[1] ~= expected_head .. '-0') or (not last and not document.new and expected_head ~= floor) then
                    broken[#broken + 1] = index
                end
            end
        end
    end
    documents[#documents + 1] = document
    at = document.first_ended + document.ended_count
end
if #stale > 1 then return stale end
if #broken > 1 then return broken end

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
for _, document in ipairs(documents) do
    if document.count > 0 then
        local revision = tonumber(document.head) - document.count
        local size_bytes = 0
        for offset = 1, document.count do
            local commit = ARGV[document.first + offset - 1]
            size_bytes = size_bytes + #commit
            redis.call('XADD', document.log, string.format('%.0f-0', revision + offset), 'commit', commit)
        end
        if document.new then
            redis.call('HSET', document.key, 'epoch', document.epoch, 'floor', document.floor,
                'snapshot', document.snapshot, 'number', document.number, 'incarnation', document.incarnation)
            if document.listed ~= '' then redis.call('ZADD', KEYS[7], 0, document.listed) end
        end
        redis.call('HSET', document.key, 'head', document.head, 'mac', document.mac)
        if document.bridge ~= '' then redis.call('HSET', document.key, 'bridge', document.bridge) end
        redis.pcall('HINCRBY', document.key, 'log_bytes', size_bytes)
        redis.call('ZADD', KEYS[4], string.format('%.0f', now_ms), document.id)
    end
end
for _, document in ipairs(documents) do
    if document.ended_count > 0 and not document.is_deleted then
        -- Of another type it is no loss; a script that fails here would have written half.
        if redis.call('TYPE', document.ended).ok ~= 'zset' then redis.call('DEL', document.ended) end
        for offset = 1, document.ended_count do
            redis.call('ZADD', document.ended, string.format('%.0f', now_ms), ARGV[document.first_ended + offset - 1])
        end
        redis.call('ZREMRANGEBYRANK', document.ended, 0, -ENDED_MOST - 1)
        redis.call('EXPIRE', document.ended, ENDED_SECONDS)
    end
end
for offset = 1, refused_count do
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', 1000, '*', 'entry', ARGV[5 + offset])
end
redis.call('SET', KEYS[2], new_cursor)
-- Everything up to the cursor is dealt with; what is left is the backlog.
redis.call('XTRIM', KEYS[3], 'MINID', '=', new_cursor)
redis.call('XDEL', KEYS[3], new_cursor)
if publish then
    for _, document in ipairs(documents) do
        if document.message ~= '' then redis.call('SPUBLISH', document.events, document.message) end
    end
end
return {'committed', string.format('%.0f', now_ms)}
