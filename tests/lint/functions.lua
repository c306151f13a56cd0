-- C functions: how long they are, and what they are called.
--
-- A name that is seen outside its file begins with its room (`json_scan`), its file (`receive_replay` in receive.c, `storage_open` in
-- raft_storage.c) or a type that a header of its room declares (`party_name` for struct party, `group_step` for struct node_group,
-- `reads_turn` for struct read). Relies on the formatter: a function's braces stand alone in column 1.
local source = require "source"

local M = {}

local LINES_MAX = 70

local ANY_NAME = { main = true }

---A name, what is left of it without its first word (which names the part of the room), and both for many of them.
local function allow(allowed, name)
  for _, spelling in ipairs { name, name:match "_([%w_]+)$" } do
    allowed[spelling] = true
    allowed[spelling .. "s"] = true
  end
end

---The prefixes that the names of each room may have.
---@param sources source[]
---@return table<string, table<string, boolean>>
function M.prefixes(sources)
  local rooms = {}
  for _, s in ipairs(sources) do
    local room, stem, extension = source.room_of(s.path)
    if room then
      local allowed = rooms[room] or { [room] = true }
      rooms[room] = allowed
      allow(allowed, stem)
      if extension == "h" then
        for name in source.c_code(s.text):gmatch "\nstruct ([%w_]+)" do
          allow(allowed, name)
        end
      end
    end
  end
  return rooms
end

---@param name string
---@param allowed table<string, boolean>
local function has_prefix(name, allowed)
  for at in name:gmatch "()_" do
    if allowed[name:sub(1, at - 1)] then
      return true
    end
  end
  return ANY_NAME[name] or name:find "^luaopen_" ~= nil
end

---The name of the function whose head this is (the text before its brace); nil if it is not a function.
local function name_of(head)
  return head:match "([%a_][%w_]*)%s*%("
end

---@param s source
---@param allowed table<string, boolean>
---@param report fun(path: string, line: integer, message: string)
function M.check(s, allowed, report)
  local head, head_line, name, is_static = {}, 1, nil, false
  for number, line in source.lines(source.c_code(s.text)) do
    if name then
      if line:find "^}" then
        local length = number - head_line + 1
        if length > LINES_MAX then
          report(s.path, head_line, string.format("%s has %d lines: split it, %d are allowed", name, length, LINES_MAX))
        end
        local inline_in_header = is_static and s.path:find "%.h$"
        if (not is_static or inline_in_header) and not has_prefix(name, allowed) then
          report(s.path, head_line, name .. " is seen from outside: begin it with its room, file or type")
        end
        head, name = {}, nil
      end
    elseif line:find "^{" then
      local text = table.concat(head, "\n")
      name, is_static = name_of(text), text:find "%f[%w_]static%f[^%w_]" ~= nil
      name = name or "?"
    elseif line:find "^%s*$" or line:find "^#" or line:find ";%s*$" or line:find "^}" then
      head = {}
    else
      if #head == 0 then
        head_line = number
      end
      head[#head + 1] = line
    end
  end
end

return M
