--- State machines that are replicated by Raft: every member of the group applies the same commands in the same order.
---
---   local raft = vortex.raft {
---     init = function() return { count = 0 } end,
---     apply = function(state, command)
---       state.count = state.count + command.by
---       return { count = state.count }
---     end,
---   }
---   vortex.on("add", function(msg) return raft:propose { by = msg.body.by } end)
---
--- The object, vortex.Raft, is made in C; its methods are described in _meta.lua.
local core = require "vortex.core"
local near = require "vortex.near"

local M = {}

---@class vortex.Raft.Options
---@field apply fun(state: any, command: any, index: integer): any runs every command, on every member, in log order
---@field init? fun(): any makes the first state; default: an empty table
---@field snapshot? fun(state: any): any what to keep of the state, in place of all of it
---@field restore? fun(kept: any): any the state of what snapshot gave
---@field name? string tells the groups of a node apart; default: "main"
---@field voters? string[] the first voters; default: all nodes of the cluster
---@field learners? string[] the first learners: members that do not vote
---@field election_timeout? number seconds without a leader until somebody asks for votes, up to twice that; default: 0.3
---@field heartbeat? number seconds between a leader's signs of life; default: a third of the election timeout
---@field snapshot_bytes? integer a snapshot is taken when the log has grown by this; default: 4 MiB
---@field tail_entries? integer entries kept behind a snapshot, for members that are a little late; default: 1024

local NAMES = {
  "apply", "init", "snapshot", "restore", "name", "voters", "learners", "election_timeout", "heartbeat",
  "snapshot_bytes", "tail_entries",
}

local ELECTION_TIMEOUT = 0.3 -- as in node/raft.h

local function is_function(value)
  return type(value) == "function" and "" or "a function"
end

local function is_time(value)
  return type(value) == "number" and value > 0 and value < 1e6 and "" or "a time in seconds, above 0"
end

local function is_count(value)
  return math.type(value) == "integer" and value > 0 and "" or "an integer, above 0"
end

local function is_name(value)
  local fits = type(value) == "string" and #value <= 64 and value:find "^[%w_.-]+$"
  return fits and "" or "a string of up to 64 letters, digits, _, . and -"
end

local function is_list_of_ids(value)
  local seen = {}
  for i = 1, type(value) == "table" and #value or 0 do
    local id = value[i]
    if type(id) ~= "string" or id == "" then
      return ("node ids; element %d is a %s"):format(i, type(id))
    elseif seen[id] then
      return ("node ids, each once; %s is there twice"):format(id)
    end
    seen[id] = true
  end
  return type(value) == "table" and "" or "a list of node ids"
end

-- What is expected of each option: "" if the value will do.
local EXPECTED = {
  apply = is_function,
  init = is_function,
  snapshot = is_function,
  restore = is_function,
  name = is_name,
  voters = is_list_of_ids,
  learners = is_list_of_ids,
  election_timeout = is_time,
  heartbeat = is_time,
  snapshot_bytes = is_count,
  tail_entries = is_count,
}

local function complaint_of_members(options)
  local learns = {}
  for _, id in ipairs(options.learners or {}) do
    learns[id] = true
  end
  if options.voters and #options.voters == 0 then
    return "voters is empty: a group without voters can do nothing"
  end
  for _, id in ipairs(options.voters or {}) do
    if learns[id] then
      return ("%s is both a voter and a learner"):format(id)
    end
  end
end

local function complaint(options)
  if type(options) ~= "table" then
    return ("a table of options expected, not a %s"):format(type(options))
  end
  for option in pairs(options) do -- order-free: any of the unknown ones will do
    if not EXPECTED[option] then
      return ("there is no option %q; %s"):format(tostring(option), near.advice(tostring(option), NAMES))
    end
  end
  for _, option in ipairs(NAMES) do
    local expected = options[option] ~= nil and EXPECTED[option](options[option]) or ""
    if expected ~= "" then
      return ("%s: expected %s"):format(option, expected)
    end
  end
  if not options.apply then
    return "apply is missing: the function that runs every command"
  elseif (options.snapshot == nil) ~= (options.restore == nil) then
    return "snapshot and restore belong together: one is missing"
  elseif options.heartbeat and 2 * options.heartbeat >= (options.election_timeout or ELECTION_TIMEOUT) then
    return "heartbeat: it must be less than half the election timeout"
  end
  return complaint_of_members(options)
end

--- Declares a Raft group of this node and returns it. In the main chunk, or in `on_init`, which knows the ids of the
--- cluster; on all of its nodes alike.
---@param options vortex.Raft.Options
---@return vortex.Raft
function M.new(options)
  local wrong = complaint(options)
  if wrong then
    error("raft: " .. wrong, 2)
  end
  local complete = {}
  for option, value in pairs(options) do -- order-free
    complete[option] = value
  end
  complete.heartbeat = options.heartbeat or (options.election_timeout or ELECTION_TIMEOUT) / 3
  return core.raft_open(complete)
end

return M
