"""The steps that Redis takes as one: its own small programs in Lua, sent once and then called by their checksum.

All keys of a call are given as keys and share one hash tag (`names`). A script reads with a command that refuses a
key of another type before it writes anything, so that foreign data stay as they are. What they answer is in each
docstring; times are Redis's own, so that cores with different clocks agree.
"""

import hashlib
from dataclasses import dataclass

from core.store.protocol import MAX_HOLDERS

CLAIM_EXPIRY_SECONDS = 3600
OWNERS_EXPIRY_SECONDS = 86_400

Argument = str | bytes | int
Command = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A program and its checksum, by which it is called."""

    text: str
    sha: str

    def call(self, keys: tuple[str, ...], *arguments: Argument) -> Command:
        """Return the command that runs the script."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


def _script(text: str) -> Script:
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


_CLOCK = """
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
"""

OPEN = _script("""
local id = redis.call('HGET', KEYS[1], 'id')
local writes = tonumber(redis.call('HGET', KEYS[1], 'writes') or '0') or 0
if not id or (id == ARGV[1] and writes < tonumber(ARGV[2])) then
  id = ARGV[3]
  writes = 0
  redis.call('HSET', KEYS[1], 'id', id, 'writes', '0')
end
return {id, writes}
""")
"""Keys: marker. Arguments: the id and the writes last seen, a new id. Answers the id that holds, and the writes.

A marker that is missing, or has counted back, gets a new id, which tells all processes that something was lost.
"""

EPOCH = _script(
    _CLOCK
    + """
local last = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') or 0
local epoch = string.format('%.0f', math.max(now_us, last + 1))
redis.call('HSET', KEYS[1], 'epoch', epoch)
return epoch
"""
)
"""Keys: marker. Answers a number that is greater than all it has answered before, and in step with the clock."""

_RUNS = (
    _CLOCK
    + """
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
local runs = ends and tonumber(ends) >= now_ms
"""
)
"""Whether the lease of an owner still runs."""

RENEW = _script(
    _RUNS
    + f"""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now_ms))
if not runs and ARGV[3] ~= 'begin' then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms + tonumber(ARGV[2])), ARGV[1])
redis.call('EXPIRE', KEYS[1], {OWNERS_EXPIRY_SECONDS})
for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 1
"""
)
"""Keys: owners, then the owner's fields. Arguments: owner, lease in ms, begin or renew.

Answers 1, or 0 for a lease that is to be renewed and does not run any more: the others take its owner for dead, so it
is not brought back to life.
"""

LIVING = _script(
    _CLOCK
    + """
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now_ms), '+inf')
"""
)
"""Keys: owners. Answers those whose lease runs."""

LEAVE = _script("""
redis.call('ZREM', KEYS[1], ARGV[1])
for i = 2, #KEYS do
  redis.call('HLEN', KEYS[i])
  redis.call('DEL', KEYS[i])
end
return 1
""")
"""Keys: owners, then the owner's fields. Arguments: owner."""

CLEAR = _script("""
redis.call('HLEN', KEYS[1])
return redis.call('DEL', KEYS[1])
""")
"""Keys: the owner's fields, which are written anew."""

GET = _script("""
local found = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then
    found[i] = {0}
  elseif kind ~= 'string' then
    found[i] = {2, 'a ' .. kind}
  elseif redis.call('STRLEN', key) > tonumber(ARGV[1]) then
    found[i] = {2, 'a value of ' .. redis.call('STRLEN', key) .. ' bytes'}
  else
    found[i] = {1, redis.call('GET', key), redis.call('PTTL', key)}
  end
end
return found
""")
"""Keys: values. Arguments: most bytes. Answers for each {0}, {1, value, ms left or -1} or {2, what it is instead}."""

PUT = _script("""
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then return redis.error_reply('WRONGTYPE it is a ' .. kind) end
if ARGV[1] == 'delete' then return redis.call('DEL', KEYS[1]) end
if ARGV[1] == 'restore' and kind ~= 'none' then return 0 end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
end
return 1
""")
"""Keys: value. Arguments: put, restore (unless there is one) or delete; ms (0: for ever); value. Answers if done."""

GUESS = _script("""
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  if ARGV[1] == '0' then
    redis.call('SET', KEYS[1], ARGV[2])
  elseif ARGV[1] ~= '-1' then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
  end
  return 0
end
if kind ~= 'string' then return redis.error_reply('WRONGTYPE it is a ' .. kind) end
local size = redis.call('STRLEN', KEYS[1])
if size > tonumber(ARGV[3]) then return redis.error_reply('STOREDATA it is a value of ' .. size .. ' bytes') end
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
""")
"""Keys: value. Arguments: ms (0: for ever, -1: it has ended), value, most bytes.

Puts a value unless there is one. Answers 0, or the value that is there and what it has left in ms (-1: for ever).
"""

SWAP = _script("""
local value = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if value then return 0 end
elseif value ~= ARGV[2] then
  return 0
end
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
""")
"""Keys: value. Arguments: whether one is expected, which, the new one, ms (0: for ever). Answers whether swapped."""

FIELD = _script("""
if ARGV[1] == 'delete' then
  redis.call('HDEL', KEYS[1], ARGV[2])
elseif ARGV[1] == 'restore' then
  if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end
else
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
""")
"""Keys: table. Arguments: put, restore (unless there is one) or delete; field; value; channel; message."""

OWN = _script(
    _RUNS
    + """
if not runs then return -1 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""
)
"""Keys: owners, the owner's fields. Arguments: owner, lease in ms, then field and value by turns.

Answers -1, and writes nothing, where the owner's lease does not run any more.
"""

READ = _script("""
local fields = redis.call('HLEN', KEYS[1])
if fields > tonumber(ARGV[1]) then
  return redis.error_reply('STOREDATA it has ' .. fields .. ' fields, at most ' .. ARGV[1] .. ' are possible')
end
local all = redis.call('HGETALL', KEYS[1])
local size = 0
for i = 1, #all do size = size + #all[i] end
if size > tonumber(ARGV[2]) then
  return redis.error_reply('STOREDATA it has ' .. size .. ' bytes, at most ' .. ARGV[2] .. ' are possible')
end
return all
""")
"""Keys: a hash. Arguments: most fields, most bytes. Answers field and value by turns."""

_HOLDERS = (
    _CLOCK
    + f"""
local function lives(owner)
  local ends = redis.call('ZSCORE', KEYS[1], owner)
  return ends and tonumber(ends) >= now_ms
end
local function tell_lost(owner, holder)
  local function text(t) return struct.pack('>H', #t) .. t end
  redis.call('PUBLISH', ARGV[3], '\\4' .. text(owner) .. text(ARGV[4]) .. text(holder) .. string.rep('\\0', 8))
end
if redis.call('ZCARD', KEYS[2]) > {MAX_HOLDERS} then return redis.error_reply('STOREDATA it has too many members') end
if not lives(ARGV[1]) then return {{-1}} end
local mine = ARGV[1] .. ' ' .. ARGV[2]
local function holders()
  local held = {{}}
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local owner, holder = string.match(member, '^(%x+) (.+)$')
    if owner and lives(owner) then
      held[#held + 1] = {{member, owner, holder}}
    elseif owner then
      redis.call('ZREM', KEYS[2], member)
    end
  end
  return held
end
local held = holders()
"""
)

CLAIM = _script(
    _HOLDERS
    + f"""
local age = redis.call('ZSCORE', KEYS[2], mine)
if age then return {{1, string.format('%.0f', tonumber(age))}} end
local limit = tonumber(ARGV[5])
if #held >= limit and ARGV[6] ~= '1' then return {{0}} end
local answer = {{1, ''}}
for i = 1, #held - limit + 1 do
  redis.call('ZREM', KEYS[2], held[i][1])
  answer[#answer + 1] = held[i][1]
  if held[i][2] ~= ARGV[1] then tell_lost(held[i][2], held[i][3]) end
end
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
age = now_us
if last[2] and tonumber(last[2]) >= age then age = tonumber(last[2]) + 1 end
answer[2] = string.format('%.0f', age)
redis.call('ZADD', KEYS[2], answer[2], mine)
redis.call('EXPIRE', KEYS[2], {CLAIM_EXPIRY_SECONDS})
return answer
"""
)
"""Keys: owners, claim. Arguments: owner, holder, channel, name, limit, whether to evict.

Answers {-1} where the owner's own lease has ended, {0} where it is refused, else {1, age, evicted members...}.
"""

RECHECK = _script(
    _HOLDERS
    + f"""
local limit = tonumber(ARGV[5])
if not redis.call('ZSCORE', KEYS[2], mine) then
  if ARGV[7] == 'verify' or (ARGV[7] == 'room' and #held >= limit) then return {{0}} end
  redis.call('ZADD', KEYS[2], ARGV[6], mine)
  held = holders()
end
redis.call('EXPIRE', KEYS[2], {CLAIM_EXPIRY_SECONDS})
local age = redis.call('ZSCORE', KEYS[2], mine)
local answer = {{1, string.format('%.0f', tonumber(age))}}
for i = #held, limit + 1, -1 do
  redis.call('ZREM', KEYS[2], held[i][1])
  if held[i][2] == ARGV[1] then answer[#answer + 1] = held[i][3] else tell_lost(held[i][2], held[i][3]) end
end
return answer
"""
)
"""Keys: owners, claim. Arguments: owner, holder, channel, name, limit, age, how.

``how`` a claim that is missing is treated: ``age`` gives it its old place back, and the youngest give way; ``room``
only if a place is free; ``verify`` not at all. Answers {-1} where the owner's own lease has ended, {0} where the
claim is lost, else {1, age, holders of this owner that are lost...}.
"""

RELEASE = _script("""
local age = redis.call('ZSCORE', KEYS[1], ARGV[1])
if age and (ARGV[2] == '0' or tonumber(age) == tonumber(ARGV[2])) then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
""")
"""Keys: claim. Arguments: member, age (0: any), so that a release that comes late takes no newer claim away."""

ALL = (OPEN, EPOCH, RENEW, LIVING, LEAVE, CLEAR, GET, PUT, GUESS, SWAP, FIELD, OWN, READ, CLAIM, RECHECK, RELEASE)
