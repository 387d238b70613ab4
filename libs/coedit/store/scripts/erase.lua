#!lua flags=allow-oom
-- Take everything of a document away that lies under its own name.
--
-- KEYS  deleted, changed, idle, damaged, fresh, deadlines, then those that go
-- ARGV  document id, what it is listed as, members of deadlines that go
-- Returns how many of the keys were there; -1 if it is not to be erased.

if not string.find(redis.call('HGET', KEYS[1], ARGV[1]) or '', ' eras', 1, true) then return -1 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[2])
for index = 3, #ARGV do redis.call('ZREM', KEYS[6], ARGV[index]) end
local count = 0
for index = 7, #KEYS do count = count + redis.call('DEL', KEYS[index]) end
return count
