#!lua flags=allow-oom
-- Take note that a process begins a piece of work, unless too many began it in vain; what is done with that makes room, too.
--
-- KEYS  tried
-- ARGV  token, after how many that began it among others it is begun apart, after how many that began it apart it is
--       refused, for how long all of it is kept (ms), 1 where it is apart from all else now
-- Returns the mode in which it is begun: 'normal' or 'apart'. Nothing is noted where that is 'refused', or 'apart' and it
-- is not.

local noted = redis.call('HGETALL', KEYS[1])
local others, apart = 0, 0
for index = 1, #noted, 2 do
    if noted[index] ~= ARGV[1] then
        others = others + 1
        if noted[index + 1] == 'apart' then apart = apart + 1 end
    end
end
if apart >= tonumber(ARGV[3]) then return 'refused' end
local mode = (apart > 0 or others >= tonumber(ARGV[2])) and 'apart' or 'normal'
if mode == 'apart' and ARGV[5] ~= '1' then return mode end
redis.call('HSET', KEYS[1], ARGV[1], mode)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return mode
