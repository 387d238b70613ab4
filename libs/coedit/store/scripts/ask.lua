-- Take note of a request under its key, or find out what became of it.
--
-- KEYS  asked
-- ARGV  fingerprint of what is asked for, for how long whoever deals with it may take (ms), for how long all of it is
--       kept (ms)
-- Returns {'begun', base}, where the base is empty at first; {'other'}, where something else was asked for under this
-- key; {'running'}; or {'answered', answer}.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'until', 'base', 'answer')
if known[1] and known[1] ~= ARGV[1] then return {'other'} end
if known[4] then return {'answered', known[4]} end
if known[2] and tonumber(known[2]) > now_ms then return {'running'} end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'until', string.format('%.0f', now_ms + ARGV[2]))
if not known[1] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {'begun', known[3] or ''}
