-- Reproducible randomness: xorshift64*, from VORTEX_TEST_SEED or a fixed seed. `describe()` belongs in every
-- assertion's message.
local M = {}
M.__index = M

function M.new(seed)
  seed = seed or tonumber(os.getenv "VORTEX_TEST_SEED") or 20240607
  return setmetatable({ seed = seed, state = seed ~ 0x2545f4914f6cdd1d }, M)
end

function M:bits()
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return (x * 0x2545f4914f6cdd1d) >> 1
end

-- An integer from low to high.
function M:int(low, high)
  return low + self:bits() % (high - low + 1)
end

function M:pick(list)
  return list[self:int(1, #list)]
end

-- How often to repeat: less when every step also runs the collector.
function M.rounds(n)
  return os.getenv "VORTEX_TEST_GC" and math.ceil(n / 10) or n
end

function M:describe()
  return "VORTEX_TEST_SEED=" .. self.seed
end

return M
