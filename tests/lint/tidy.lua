-- The form of the tree: what a reviewer would otherwise have to say each time.
local functions = require "functions"
local source = require "source"

local M = {}

local LINE_MAX = { c = 140, h = 140, lua = 140 }
local FILE_MAX_LINES = 1000       -- of any file
local PRODUCT_FILE_MAX_LINES = 600 -- of a file in src or lua: beyond, it holds more than one idea

-- Spelt so that this file does not contain them.
local LEFT_OVER = { "TO" .. "DO", "FIX" .. "ME", "X" .. "XX" }

---Functions of C that have a better replacement.
local BANNED = {
  strcpy = "memcpy with a known length",
  strcat = "buf_append_str",
  sprintf = "snprintf or buf_printf",
  vsprintf = "vsnprintf or buf_vprintf",
  gets = "fgets",
  strtok = "a loop over the bytes",
  atoi = "strtol, which can fail",
  atol = "strtol, which can fail",
  alloca = "a fixed array or the heap",
}

---Who may call into Lua in protected mode, or resume a coroutine: everyone else goes through them.
local PROTECTED_CALLERS = { script = true, app = true, lab = true }
local PROTECTED = { lua_pcall = true, lua_pcallk = true, lua_resume = true, lua_call = true, lua_callk = true }

local TEXT = {}
for extension in ("c h lua cmake txt json md yml sh js"):gmatch "%S+" do
  TEXT[extension] = true
end

local function extension_of(path)
  return path:match "%.([%w]+)$" or ""
end

---Whether a line of a C test is long only because of what a string in it holds: test data stays in one piece.
local function is_long_data(path, line, limit)
  return path:find "^tests/.*%.[ch]$" and #(source.c_code(line):gsub("%s+", " ")) <= limit
end

local function check_lines(s, report)
  local extension = extension_of(s.path)
  local limit = LINE_MAX[extension]
  local count = 0
  for number, line in source.lines(s.text) do
    count = number
    if line:find "%s$" then
      report(s.path, number, "blanks at the end of the line: remove them")
    end
    if line:find "\t" then
      report(s.path, number, "a tab: indent with spaces, write \\t in strings")
    end
    local length = utf8.len(line) or #line
    if limit and length > limit and not is_long_data(s.path, line, limit) then
      report(s.path, number, string.format("%d columns: break the line, %d are allowed", length, limit))
    end
    for _, word in ipairs(LEFT_OVER) do
      if line:find("%f[%w]" .. word .. "%f[%W]") then
        report(s.path, number, word .. ": do it now, or write what is missing into the docs")
      end
    end
  end
  local in_product = s.path:find "^src/" or s.path:find "^lua/"
  local max = in_product and PRODUCT_FILE_MAX_LINES or FILE_MAX_LINES
  if count > max then
    report(s.path, count, string.format("%d lines: split the file by idea, %d are allowed", count, max))
  end
  if #s.text > 0 and s.text:sub(-1) ~= "\n" then
    report(s.path, count, "no newline at the end of the file")
  end
end

---Whether people call this file by its name.
local function is_command(path)
  return path:find "^scripts/[^/]+$" ~= nil or path:find "^%.ci/" ~= nil
end

local function check_mode(s, report)
  if (is_command(s.path) or s.text:sub(1, 2) == "#!") and not s.executable then
    report(s.path, 1, "not executable: chmod +x")
  elseif is_command(s.path) and s.text:sub(1, 2) ~= "#!" then
    report(s.path, 1, "a script begins with #! and its interpreter")
  end
end

local function check_guard(s, room, stem, report)
  local guard = string.format("VORTEX_%s_%s_H", room:upper(), stem:upper())
  local tested, defined = source.c_code(s.text):match "^%s*#ifndef ([%w_]+)%s*\n#define ([%w_]+)%s*\n"
  if tested ~= guard or defined ~= guard then
    report(s.path, 1, "the include guard must be " .. guard)
  end
end

local function check_calls(s, room, report)
  for number, line in source.lines(source.c_code(s.text)) do
    for name in line:gmatch "%f[%w_]([%a_][%w_]*)%s*%(" do
      if PROTECTED[name] and not PROTECTED_CALLERS[room] then
        report(s.path, number, name .. ": only src/script, src/lab and src/app call into Lua; use script/script.h")
      elseif BANNED[name] then
        report(s.path, number, string.format("%s: use %s", name, BANNED[name]))
      end
    end
  end
end

---@param sources source[]
---@param report fun(path: string, line: integer, message: string)
function M.check(sources, report)
  local prefixes = functions.prefixes(sources)
  for _, s in ipairs(sources) do
    if TEXT[extension_of(s.path)] or is_command(s.path) then
      check_lines(s, report)
      check_mode(s, report)
      local room, stem, extension = source.room_of(s.path)
      if room then
        if extension == "h" then
          check_guard(s, room, stem, report)
        end
        check_calls(s, room, report)
        functions.check(s, prefixes[room], report)
      end
    end
  end
end

return M
