--- A client of the key-value services that Maelstrom offers beside the nodes.
---
---   local kv = vortex.kv("lin-kv")
---   kv:write("leader", "n1")
---   kv:read("votes", 0)                                   -- 0 if the key does not exist
---   kv:update("votes", 0, function(n) return n + 1 end)
---
--- Every method has a `try_` form, which returns nil and the error instead of raising it. A handler that lets such an
--- error pass is answered with crash (13), since what the handler did before is unknown; `vortex.error(err)` answers
--- with the error's own code.
---
--- What to know about the services:
--- - Keys and values are compared as JSON: 1, 1.0 and "1" are three different ones. A null is `vortex.null`, not nil.
--- - seq-kv may serve a state that is old, though never older than what this node saw change: write a fresh value
---   (`vortex.unique_id()`) to any key before a read that must be current.
--- - lww-kv keeps the write with the latest timestamp; a cas there protects against nothing.
local core = require "vortex.core"

local M = {}

local SERVICES = { ["lin-kv"] = true, ["seq-kv"] = true, ["lww-kv"] = true }
local UNAVAILABLE, NO_SUCH_KEY = 11, 20
local LOST_RACE = { [20] = true, [21] = true, [22] = true } -- 22 also when somebody else created the key first
local BACKOFF_FIRST, BACKOFF_MAX = 0.005, 0.2 -- seconds
local UPDATE_PATIENCE = 4 -- default deadline of an update, in RPC timeouts

---@class vortex.Kv
---@field service string
local Kv = {}
Kv.__index = Kv

---@class vortex.Kv.Options
---@field timeout? number seconds; default: `--rpc-timeout`, and for update four times that, over all its attempts

---@class vortex.Kv.CasOptions: vortex.Kv.Options
---@field create? boolean write `to` if the key does not exist

--- The client of a service.
---@param service "lin-kv"|"seq-kv"|"lww-kv"
---@return vortex.Kv
function M.new(service)
  if not SERVICES[service] then
    error(('kv: no service %s: "lin-kv", "seq-kv" or "lww-kv"'):format(tostring(service)), 2)
  end
  return setmetatable({ service = service }, Kv)
end

local function call(self, body, opts)
  local reply, err = core.try_rpc(self.service, body, opts and { timeout = opts.timeout })
  if reply then
    return reply
  end
  err.remote = true
  err.text = ("%s: %s of key %s: %s"):format(self.service, body.type, core.encode(body.key), err.text)
  return nil, err
end

local function raise_failure(value, err)
  if err then
    error(err, 0)
  end
  return value
end

local function must_have(value, what)
  if value == nil then
    error(("kv: %s is nil; a JSON null is vortex.null"):format(what), 3)
  end
end

--- The value of a key.
---@param key any
---@param default? any what to return if the key does not exist; without it that is an error (20)
---@param opts? vortex.Kv.Options
---@return any value
function Kv:read(key, default, opts)
  return raise_failure(self:try_read(key, default, opts))
end

---@param key any
---@param default? any
---@param opts? vortex.Kv.Options
---@return any value
---@return vortex.Error? err
function Kv:try_read(key, default, opts)
  must_have(key, "key")
  local reply, err = call(self, { type = "read", key = key }, opts)
  if reply then
    return reply.value
  elseif err.code == NO_SUCH_KEY and default ~= nil then
    return default
  end
  return nil, err
end

--- Sets a key, whether it exists or not.
---@param key any
---@param value any
---@param opts? vortex.Kv.Options
---@return true
function Kv:write(key, value, opts)
  return raise_failure(self:try_write(key, value, opts))
end

---@param key any
---@param value any
---@param opts? vortex.Kv.Options
---@return true? written
---@return vortex.Error? err
function Kv:try_write(key, value, opts)
  must_have(key, "key")
  must_have(value, "value")
  local reply, err = call(self, { type = "write", key = key, value = value }, opts)
  return reply and true, err
end

--- Sets a key to `to` if it is `from`. It is an error if it is something else (22), or does not exist (20) and `create`
--- is not given.
---@param key any
---@param from any
---@param to any
---@param opts? vortex.Kv.CasOptions
---@return true
function Kv:cas(key, from, to, opts)
  return raise_failure(self:try_cas(key, from, to, opts))
end

---@param key any
---@param from any
---@param to any
---@param opts? vortex.Kv.CasOptions
---@return true? changed
---@return vortex.Error? err
function Kv:try_cas(key, from, to, opts)
  must_have(key, "key")
  must_have(from, "from")
  must_have(to, "to")
  local create = opts and opts.create or nil
  local body = { type = "cas", key = key, from = from, to = to, create_if_not_exists = create }
  local reply, err = call(self, body, opts)
  if err and err.code == NO_SUCH_KEY and create and self.service == "lww-kv" then
    return self:try_write(key, to, opts) -- lww-kv does not know create_if_not_exists
  end
  return reply and true, err
end

--- Changes a key by a function of its value, and returns the new value. The function gets a copy, of `default` if the
--- key does not exist; it runs again whenever somebody else changed the key first, until the deadline has passed (11:
--- certainly not changed). A timeout is never retried, since the change may have happened.
---@param key any
---@param default any
---@param fn fun(value: any): any
---@param opts? vortex.Kv.Options
---@return any value
function Kv:update(key, default, fn, opts)
  return raise_failure(self:try_update(key, default, fn, opts))
end

-- A function that changes a table in place must not change what it is compared with.
local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  return core.decode(core.encode(value))
end

local function backoff(attempt)
  return math.random() * math.min(BACKOFF_MAX, BACKOFF_FIRST * 2 ^ attempt)
end

---@param key any
---@param default any
---@param fn fun(value: any): any
---@param opts? vortex.Kv.Options
---@return any value
---@return vortex.Error? err
function Kv:try_update(key, default, fn, opts)
  local deadline = core.now() + (opts and opts.timeout or UPDATE_PATIENCE * core.service_timeout())
  local attempts = 0
  local function left()
    return deadline - core.now()
  end
  while left() > 0 do
    attempts = attempts + 1
    local old, err = self:try_read(key, nil, { timeout = left() })
    local absent = err ~= nil and err.code == NO_SUCH_KEY
    if err and not absent then
      return nil, err
    elseif absent then
      old = default
    end
    local new = fn(copy(old))
    must_have(new, "what the function returned")
    if old == nil then
      old = core.null
    end
    if left() <= 0 then
      break
    end
    local changed, refused = self:try_cas(key, old, new, { create = absent, timeout = left() })
    if changed then
      return new
    elseif not LOST_RACE[refused.code] then
      return nil, refused
    end
    core.sleep(math.max(0, math.min(backoff(attempts), left())))
  end
  local what = ("%s: update of key %s"):format(self.service, core.encode(key))
  local text = ("%s: not done in time, after %d attempts"):format(what, attempts)
  return nil, core.error_new(UNAVAILABLE, text, { remote = true })
end

return M
