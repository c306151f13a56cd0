-- A stand-in for vortex.core's tasks, time and messages, in virtual time: everything that would wait for the node waits
-- in a heap of events instead, ordered by (time, order of creation). Values are the real core's.
local real = require "vortex.core"

local M = {}
M.__index = M

-- `answer(dest, body)` plays all other nodes and services: it returns a reply body and a delay in seconds; no body
-- means no reply.
function M.new(answer)
  local world = { time = 0, events = {}, created = 0, ready = {}, parked = {}, log = {}, sent = {}, errors = {} }
  setmetatable(world, M)
  world.answer = answer or function() end
  world.core = world:make_core()
  return world
end

function M:at(delay, fn)
  self.created = self.created + 1
  table.insert(self.events, { time = self.time + delay, order = self.created, fn = fn })
  table.sort(self.events, function(a, b)
    return a.time < b.time or (a.time == b.time and a.order < b.order)
  end)
end

function M:enqueue(task, ...)
  table.insert(self.ready, { task = task, values = table.pack(...) })
end

-- Runs tasks in the order in which they became runnable.
function M:drain()
  while #self.ready > 0 do
    local next = table.remove(self.ready, 1)
    self.current = next.task
    local ok, err = coroutine.resume(next.task, table.unpack(next.values, 1, next.values.n))
    self.current = nil
    if not ok then
      table.insert(self.errors, err)
      coroutine.close(next.task)
    end
  end
end

-- Runs fn as a task, then everything that follows from it, to the end. Raises what any task raised, and if fn waits for
-- ever.
function M:run(fn)
  local ended = false
  self.core.spawn(function()
    fn()
    ended = true
  end)
  self:drain()
  while #self.events > 0 do
    local event = table.remove(self.events, 1)
    self.time = event.time
    event.fn()
    self:drain()
  end
  if #self.errors > 0 then
    error(self.errors[1], 0)
  elseif not ended then
    error "world: the task is still waiting, but nothing will happen any more"
  end
end

local function error_of(body)
  return real.error_new(body.code, body.text, { remote = true })
end

function M:try_rpc(dest, body, opts)
  body = real.decode(real.encode(body))
  table.insert(self.sent, { dest = dest, body = body, time = self.time })
  local task, done = self.current, false
  local function complete(...)
    if not done then
      done = true
      self:enqueue(task, ...)
    end
  end
  local reply, delay = self.answer(dest, body)
  if reply then
    reply = real.decode(real.encode(reply))
    self:at(delay or 0, function()
      if reply.type == "error" then
        complete(nil, error_of(reply))
      else
        complete(reply)
      end
    end)
  end
  self:at(opts and opts.timeout or self.core.service_timeout(), function()
    complete(nil, real.error_new("timeout", nil, { remote = true }))
  end)
  return coroutine.yield()
end

function M:make_core()
  local core = {}
  for key, value in pairs(real) do -- order-free
    core[key] = value
  end

  function core.now()
    return self.time
  end

  function core.task()
    return self.current or error "task: not in a task"
  end

  function core.spawn(fn, ...)
    self:enqueue(coroutine.create(fn), ...)
  end

  function core.sleep(seconds)
    local task = self.current
    self:at(seconds, function()
      self:enqueue(task)
    end)
    coroutine.yield()
  end

  function core.check_wait(what)
    if not self.current then
      error(what .. " waits, so it must be called in a task", 3)
    end
  end

  function core.park(timeout)
    local task, turn = self.current, {}
    self.parked[task] = turn
    if timeout then
      self:at(timeout, function()
        if self.parked[task] == turn then
          self.parked[task] = nil
          self:enqueue(task, nil, real.error_new "timeout")
        end
      end)
    end
    return coroutine.yield()
  end

  function core.unpark(task, ...)
    if not self.parked[task] then
      return false
    end
    self.parked[task] = nil
    self:enqueue(task, ...)
    return true
  end

  function core.try_rpc(dest, body, opts)
    return self:try_rpc(dest, body, opts)
  end

  function core.log(level, text)
    table.insert(self.log, level .. ": " .. text)
  end

  function core.service_timeout()
    return 1
  end

  return core
end

-- A module of the library, loaded afresh on top of this world's core.
function M:require(name)
  local saved = {}
  for loaded in pairs(package.loaded) do -- order-free
    if loaded:find "^vortex" then
      saved[loaded] = package.loaded[loaded]
    end
  end
  for loaded in pairs(saved) do -- order-free
    package.loaded[loaded] = nil
  end
  package.loaded["vortex.core"] = self.core
  local ok, module = pcall(require, name)
  for loaded in pairs(package.loaded) do -- order-free
    if loaded:find "^vortex" then
      package.loaded[loaded] = nil
    end
  end
  for loaded, value in pairs(saved) do -- order-free
    package.loaded[loaded] = value
  end
  return ok and module or error(module, 0)
end

return M
