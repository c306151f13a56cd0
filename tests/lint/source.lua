-- What the lints over the tree share: the list of files, and C text without comments and strings.
local M = {}

---Folders that hold the product and its tests; build folders and .git are not among them.
local FOLDERS = { "src", "lua", "examples", "tests", "scripts", "docs", ".ci", ".github" }

---Prints "x path" for executable files and "- path" for others.
local LIST_FILES = [[
cd %s || exit 1
for d in %s; do if [ -d $d ]; then find $d -type f -not -path '*/seeds/*'; fi; done | sort |
  while IFS= read -r f; do if [ -x "$f" ]; then echo "x $f"; else echo "- $f"; fi; done
for f in CMakeLists.txt CMakePresets.json *.md; do if [ -f $f ]; then echo "- $f"; fi; done
]]

---@class source
---@field path string from the top of the checkout
---@field text string
---@field executable boolean

---Reads all text files of the checkout.
---@param root string
---@return source[]
function M.read_tree(root)
  local quoted = "'" .. root:gsub("'", "'\\''") .. "'"
  local pipe = assert(io.popen(string.format(LIST_FILES, quoted, table.concat(FOLDERS, " "))))
  local sources = {}
  for mode, path in pipe:read("a"):gmatch "(.) ([^\n]+)" do
    local file = assert(io.open(root .. "/" .. path, "rb"))
    sources[#sources + 1] = { path = path, text = file:read "a", executable = mode == "x" }
    file:close()
  end
  assert(pipe:close() and #sources > 0, "no files found below " .. root)
  return sources
end

---@param text string
---@return fun(): integer|nil, string line number and line, without its newline
function M.lines(text)
  local number, at = 0, 1
  return function()
    if at > #text then
      return nil
    end
    local stop = text:find("\n", at, true) or #text + 1
    local line = text:sub(at, stop - 1)
    at = stop + 1
    number = number + 1
    return number, line
  end
end

local function blank(text)
  return (text:gsub("[^\n]", " "))
end

---C text in which comments and the content of strings and characters are spaces; lines and columns stay.
---@param text string
---@return string
function M.c_code(text)
  local out, at = {}, 1
  while true do
    local start, _, opening = text:find("([\"'/])", at)
    if not start then
      break
    end
    out[#out + 1] = text:sub(at, start - 1)
    local stop
    if opening == "/" then
      local second = text:sub(start + 1, start + 1)
      if second == "*" then
        stop = select(2, text:find("*/", start + 2, true)) or #text
      elseif second == "/" then
        stop = (text:find("\n", start, true) or #text + 1) - 1
      end
      out[#out + 1] = stop and blank(text:sub(start, stop)) or "/"
      stop = stop or start
    else
      stop = start
      repeat
        local escaped
        stop = stop + 1
        local c = text:sub(stop, stop)
        if c == "\\" then
          stop, escaped = stop + 1, true
        end
      until c == "" or c == "\n" or (c == opening and not escaped)
      stop = math.min(stop, #text)
      out[#out + 1] = opening .. blank(text:sub(start + 1, stop - 1)) .. text:sub(stop, stop)
    end
    at = stop + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

---The room of a path, its file's name and its extension: "src/json/scan.c" gives "json", "scan", "c".
---@param path string
---@return string|nil room
---@return string|nil stem
---@return string|nil extension
function M.room_of(path)
  return path:match "^src/(%w+)/([%w_]+)%.([ch])$"
end

return M
