--- A lock for what must not be interleaved: state can change whenever a task yields (in an RPC, a KV call, a sleep).
---
---   local lock = vortex.mutex()
---   local guard <close> = lock:lock()     -- released at the end of the block, however it ends
---   lock:with(fn, ...)                    -- the same, around a function
---   lock:lock() ... lock:unlock()         -- by hand
---
--- Tasks get the lock in the order in which they asked for it.
local core = require "vortex.core"

local M = {}

---@class vortex.Mutex
---@field private holder? vortex.Guard
---@field private queue table<integer, vortex.Guard> the waiting, from `first` to `last`
---@field private first integer
---@field private last integer
local Mutex = {}
Mutex.__index = Mutex

--- Proof that a task holds the lock, or waits for it.
---@class vortex.Guard
---@field private mutex vortex.Mutex
---@field private task any
local Guard = {}

--- An unlocked mutex.
---@return vortex.Mutex
function M.new()
  return setmetatable({ queue = {}, first = 1, last = 0 }, Mutex)
end

local function release(mutex)
  local next
  repeat
    next = mutex.queue[mutex.first]
    if next == nil then
      mutex.holder = nil
      return
    end
    mutex.queue[mutex.first] = nil
    mutex.first = mutex.first + 1
    mutex.holder = next
  until core.unpark(next.task, true) -- false: that task is gone
end

-- Also runs when a task dies of an error, so it must not ask which task is running.
function Guard:__close()
  if self.mutex.holder == self then
    release(self.mutex)
  end
end

local function new_guard(mutex)
  local task = core.task()
  if mutex.holder and mutex.holder.task == task then
    error("mutex: this task holds the lock already and would wait for itself", 3)
  end
  return setmetatable({ mutex = mutex, task = task }, Guard)
end

--- Takes the lock, waiting for it if need be. The guard may be ignored, or kept in a to-be-closed variable.
---@return vortex.Guard guard
function Mutex:lock()
  core.check_wait "mutex:lock"
  local guard = new_guard(self)
  if not self.holder then
    self.holder = guard
    return guard
  end
  self.last = self.last + 1
  self.queue[self.last] = guard
  local _, err = core.park()
  if self.holder ~= guard then
    error(err or "mutex: woken without the lock", 0)
  end
  return guard
end

--- Takes the lock if it is free.
---@return vortex.Guard? guard
function Mutex:try_lock()
  local guard = new_guard(self)
  if self.holder then
    return nil
  end
  self.holder = guard
  return guard
end

--- Gives the lock to the task that has waited longest. Raises if the running task does not hold it.
function Mutex:unlock()
  if not self.holder or self.holder.task ~= core.task() then
    error("mutex: unlocked by a task that does not hold it", 2)
  end
  release(self)
end

--- Calls a function while holding the lock, and returns what it returns. An error in it releases the lock and passes.
---@generic T
---@param fn fun(...): T
---@param ... any
---@return T
function Mutex:with(fn, ...)
  local guard <close> = self:lock() -- luacheck: ignore guard
  return fn(...)
end

return M
