"""The scripts that count in Valkey: a whole chain in one round trip, all of it or nothing.

The same arithmetic as `rates`, in microseconds of the server's own clock, which all gateways share.
Counted from 2025, so that a double holds them to a hundredth of a microsecond. A rate is a string,
its arrival; concurrent calls are a hash of the gateways' own counts, of which those are taken that
have given a sign of life (the key `alive` and their name).
"""

from hashlib import sha1

_NOW = b"""
local time = redis.call('TIME')
local now = (time[1] - 1735689600) * 1000000 + time[2]
local function keep(key, arrival)
  redis.call('SET', key, string.format('%.3f', arrival),
             'PX', math.max(1000, math.ceil((arrival - now) / 1000) + 1000))
end
"""

# ARGV: mode (take, enter, look), gateway, prefix of `alive`, longest wait in us; then for each key
# its kind (r: rate, c: calls) and its amount: microseconds' worth, or the most calls.
# Returns: taken, wait, which key binds, which is full, now, and each key's value.
TAKE = (
    _NOW
    + b"""
local mode, gateway, alive, most_wait = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local window, wait, binding, full = 60000000, 1, 0, 0
local values = {}
for i, key in ipairs(KEYS) do
  local kind, amount = ARGV[3 + 2 * i], tonumber(ARGV[4 + 2 * i])
  if kind == 'r' then
    values[i] = tonumber(redis.call('GET', key) or '0')
    local needed = math.max(values[i] - now, 0) + amount - window
    if needed > wait then wait = needed; binding = i end
  else
    values[i] = 0
    local counts = redis.call('HGETALL', key)
    for j = 1, #counts, 2 do
      if counts[j] == gateway or redis.call('EXISTS', alive .. counts[j]) == 1 then
        values[i] = values[i] + counts[j + 1]
      else
        redis.call('HDEL', key, counts[j])
      end
    end
    if full == 0 and values[i] >= amount then full = i end
  end
end
if binding == 0 then wait = 0 end
local taken = 0
if full == 0 and (mode == 'enter' or mode == 'take' and wait <= most_wait) then
  taken = 1
  for i, key in ipairs(KEYS) do
    local kind, amount = ARGV[3 + 2 * i], tonumber(ARGV[4 + 2 * i])
    if kind == 'r' then
      if mode == 'take' then
        values[i] = math.max(values[i], now) + amount
        keep(key, values[i])
      end
    elseif mode == 'enter' or wait == 0 then
      values[i] = values[i] + 1
      redis.call('HINCRBY', key, gateway, 1)
      redis.call('EXPIRE', key, 86400)
    end
  end
end
local answer = {taken, string.format('%.3f', wait), binding, full, string.format('%.3f', now)}
for i = 1, #KEYS do answer[5 + i] = string.format('%.3f', values[i]) end
return answer
"""
)

# ARGV: gateway; then for each key its kind and what to add.
ADD = (
    _NOW
    + b"""
for i, key in ipairs(KEYS) do
  local kind, amount = ARGV[2 * i], tonumber(ARGV[2 * i + 1])
  if amount ~= 0 then
    if kind == 'r' then
      local arrival = math.max(tonumber(redis.call('GET', key) or '0'), now) + amount
      if arrival > now then keep(key, arrival) else redis.call('DEL', key) end
    elseif redis.call('HINCRBY', key, ARGV[1], amount) <= 0 then
      redis.call('HDEL', key, ARGV[1])
    else
      redis.call('EXPIRE', key, 86400)
    end
  end
end
return 1
"""
)

# KEYS: the set of gateways. ARGV: gateway, prefix of `alive`, milliseconds until it counts as dead.
# Returns how many gateways are alive.
BEAT = (
    _NOW
    + b"""
redis.call('SET', ARGV[2] .. ARGV[1], '1', 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3] * 1000)
redis.call('EXPIRE', KEYS[1], 86400)
return redis.call('ZCARD', KEYS[1])
"""
)

# KEYS: the set of gateways. ARGV: gateway, prefix of `alive`.
LEAVE = b"""
redis.call('DEL', ARGV[2] .. ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""

ALL = (TAKE, ADD, BEAT, LEAVE)


def name_of(script: bytes) -> bytes:
    """Return what EVALSHA calls a script (valkey.io, "EVALSHA")."""
    return sha1(script, usedforsecurity=False).hexdigest().encode()
