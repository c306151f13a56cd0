local lu = require "luaunit"
local new_world = require("support.world").new
local random = require "support.random"

local T = {}

local function setup()
  local world = new_world()
  return world, world:require("vortex.mutex").new(), world.core
end

function T.test_one_at_a_time_in_the_order_of_asking()
  local world, mutex, core = setup()
  local trace, inside = {}, 0
  world:run(function()
    for i = 1, 5 do
      core.spawn(function()
        core.sleep(i / 1000)
        mutex:lock()
        inside = inside + 1
        lu.assertEquals(inside, 1)
        core.sleep(1 / i)
        trace[#trace + 1] = i
        inside = inside - 1
        mutex:unlock()
      end)
    end
  end)
  lu.assertEquals(trace, { 1, 2, 3, 4, 5 })
end

-- Whoever unlocks and asks again stands behind those who wait.
function T.test_nobody_overtakes()
  local world, mutex, core = setup()
  local trace = {}
  local function worker(name)
    for _ = 1, 3 do
      mutex:lock()
      trace[#trace + 1] = name
      core.sleep(0.01)
      mutex:unlock()
    end
  end
  world:run(function()
    core.spawn(worker, "a")
    core.spawn(worker, "b")
  end)
  lu.assertEquals(table.concat(trace), "ababab")
end

function T.test_random_tasks_exclude_each_other()
  local rng = random.new()
  local world, mutex, core = setup()
  local inside, entered = 0, 0
  world:run(function()
    for _ = 1, 50 do
      core.spawn(function()
        core.sleep(rng:int(0, 100) / 100)
        pcall(mutex.with, mutex, function()
          inside = inside + 1
          entered = entered + 1
          lu.assertEquals(inside, 1, rng:describe())
          core.sleep(rng:int(0, 5) / 100)
          inside = inside - 1
          if rng:int(1, 4) == 1 then
            error "let go"
          end
        end)
      end)
    end
  end)
  lu.assertEquals(entered, 50)
  lu.assertNotNil(mutex)
  world:run(function()
    lu.assertNotNil(mutex:try_lock(), "free in the end")
  end)
end

function T.test_with_returns_what_the_function_returns_and_releases_on_error()
  local world, mutex = setup()
  world:run(function()
    lu.assertEquals({ mutex:with(function(...)
      return ..., 3
    end, 1) }, { 1, 3 })
    local ok, err = pcall(mutex.with, mutex, function()
      error { code = 1 }
    end)
    lu.assertFalse(ok)
    lu.assertEquals(err, { code = 1 })
    lu.assertNotNil(mutex:try_lock())
  end)
end

function T.test_guard_releases_at_the_end_of_its_block()
  local world, mutex, core = setup()
  world:run(function()
    do
      local guard <close> = mutex:lock()
      lu.assertNotNil(guard)
      core.spawn(function()
        lu.assertNil(mutex:try_lock())
      end)
      core.sleep(0)
    end
    lu.assertNotNil(mutex:try_lock())
  end)
end

-- A guard releases what it stands for, not what the same task locked since.
function T.test_guard_of_an_earlier_lock_releases_nothing()
  local world, mutex, core = setup()
  world:run(function()
    do
      local guard <close> = mutex:lock()
      lu.assertNotNil(guard)
      mutex:unlock()
      mutex:lock()
    end
    core.spawn(function()
      lu.assertNil(mutex:try_lock(), "the second lock is held")
    end)
  end)
end

function T.test_a_task_that_dies_lets_go()
  local world, mutex, core = setup()
  local got
  local ok, err = pcall(world.run, world, function()
    core.spawn(function()
      local guard <close> = mutex:lock()
      lu.assertNotNil(guard)
      core.sleep(1)
      error "died holding the lock"
    end)
    core.spawn(function()
      mutex:lock()
      got = world.time
    end)
  end)
  lu.assertFalse(ok)
  lu.assertStrContains(err, "died holding the lock")
  lu.assertEquals(got, 1)
end

function T.test_misuse_raises()
  local world, mutex, core = setup()
  world:run(function()
    lu.assertErrorMsgContains("does not hold it", mutex.unlock, mutex)
    mutex:lock()
    lu.assertErrorMsgContains("holds the lock already", mutex.lock, mutex)
    lu.assertErrorMsgContains("holds the lock already", mutex.try_lock, mutex)
    core.spawn(function()
      lu.assertErrorMsgContains("does not hold it", mutex.unlock, mutex)
    end)
  end)
  lu.assertErrorMsgContains("must be called in a", mutex.lock, mutex)
end

return T
