--- What belongs together in a history.
local M = {}

--- For each position of an invocation, the position of its completion; none if the history ends before.
---@param history vortex.Event[]
---@return table<integer, integer>
function M.completions(history)
  local open, completion = {}, {}
  for i, event in ipairs(history) do
    local process = event.process
    if process == "nemesis" then -- luacheck: ignore 542
      -- its events stand alone
    elseif event.type == "invoke" then
      open[process] = i
    elseif open[process] then
      completion[open[process]] = i
      open[process] = nil
    end
  end
  return completion
end

return M
