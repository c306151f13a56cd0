-- The house: which room may include which. Change the table together with the picture in docs/architecture.md.
local source = require "source"

local M = {}

local ROOMS = {
  base = {},
  json = { "base" },
  raft = { "base" },
  wal = { "base" },
  check = { "base" },
  node = { "base", "json", "raft", "wal" },
  script = { "node", "json", "base" },
  host = { "node", "wal", "json", "base" },
  sim = { "node", "wal", "json", "base" },
  lab = { "script", "sim", "check", "node", "raft", "json", "base" },
  app = { "lab", "host", "sim", "script", "node", "raft", "wal", "json", "check", "base" },
}

---Headers that reach outside, and the rooms that may include them. What pure rooms really call is the purity lint's.
local LIBRARIES = {
  { "^lua%.h$", "script", "lab", "app" },
  { "^lauxlib%.h$", "script", "lab", "app" },
  { "^lualib%.h$", "script", "lab", "app" },
  { "^luaconf%.h$", "script", "lab", "app" },
  { "^luv/", "app" },
  { "^uv%.h$", "host", "app" },
  { "^sys/socket%.h$", "host", "app" },
  { "^netinet/", "host", "app" },
  { "^arpa/", "host", "app" },
  { "^pthread%.h$", "host", "app" },
  { "^threads%.h$", "host", "app" },
  { "^time%.h$", "host", "script", "lab", "app" },
  { "^sys/time%.h$", "host", "lab", "app" },
  { "^fcntl%.h$", "host", "lab", "app" },
  { "^unistd%.h$", "host", "script", "lab", "app" },
  { "^signal%.h$", "host", "script", "lab", "app" },
}

local function contains(list, wanted, from)
  for i = from or 1, #list do
    if list[i] == wanted then
      return true
    end
  end
  return false
end

---What is wrong with one #include, or nil.
local function complaint(room, bracket, header)
  if bracket == '"' then
    local target = header:match "^(%w+)/"
    if not target or not ROOMS[target] then
      return string.format('write "room/file.h": "%s" names no room', header)
    elseif target ~= room and not contains(ROOMS[room], target) then
      return string.format("%s may not include %s (it knows: %s)", room, target, table.concat(ROOMS[room], " "))
    end
    return nil
  end
  for _, library in ipairs(LIBRARIES) do
    if header:match(library[1]) and not contains(library, room, 2) then
      return string.format("%s may not include <%s> (only %s)", room, header, table.concat(library, " ", 2))
    end
  end
  return nil
end

---@param sources source[]
---@param report fun(path: string, line: integer, message: string)
function M.check(sources, report)
  for _, s in ipairs(sources) do
    local room = source.room_of(s.path)
    if room and not ROOMS[room] then
      report(s.path, 1, room .. " is no room of the house: add it to tests/lint/includes.lua and docs/architecture.md")
    elseif room then
      for number, line in source.lines(s.text) do
        local bracket, header = line:match '^%s*#%s*include%s*(["<])([^">]+)[">]'
        local message = bracket and complaint(room, bracket, header)
        if message then
          report(s.path, number, message)
        end
      end
    end
  end
end

return M
