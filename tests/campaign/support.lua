--- What the campaign scripts share: the commands in a script's header, and running a program.
local M = {}

--- The words of every command in the leading comment that starts with `program test`. Commands may go on behind a `\`.
---@param path string
---@param program string "vortex-lua" or "maelstrom"
---@return string[][] commands without the program's name and `test`
---@return string? conviction what must be said of a broken service
function M.header(path, program)
  local file <close> = assert(io.open(path, "r"))
  local commands, conviction, command = {}, nil, nil
  for line in file:lines() do
    if line:sub(1, 2) ~= "--" and line:sub(1, 2) ~= "#!" then
      break
    end
    conviction = conviction or line:match "^%-%- convicted of: (.+)$"
    local text = line:match "^%-%-%s*(.-)%s*$" or ""
    command = command and command .. " " .. text or text:match("^" .. program:gsub("%-", "%%-") .. " test%s.*")
    if command and command:sub(-1) == "\\" then
      command = command:sub(1, -2)
    elseif command then
      local words = {}
      for word in command:gmatch "%S+" do
        words[#words + 1] = word
      end
      commands[#commands + 1] = table.move(words, 3, #words, 1, {})
      command = nil
    end
  end
  return commands, conviction
end

--- The value of an option among a command's words.
---@param words string[]
---@param option string
---@return string? value
---@return integer? place of the value
function M.option(words, option)
  for i, word in ipairs(words) do
    if word == option then
      return words[i + 1], i + 1
    end
  end
end

function M.quote(word)
  return word:find "[^%w_./:=,-]" and "'" .. word:gsub("'", [['\'']]) .. "'" or word
end

function M.join(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = M.quote(word)
  end
  return table.concat(quoted, " ")
end

--- Runs a shell command. What it writes to stdout and stderr, and its exit status (128 and the signal's number, if one ended it).
---@param command string
---@return string output
---@return integer status
function M.capture(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1", "r"))
  local output = pipe:read "a"
  local _, how, code = pipe:close()
  return output, how == "signal" and 128 + code or code
end

--- Seconds, on a clock that only goes forward.
function M.now()
  local file <close> = assert(io.open "/proc/uptime")
  return file:read "n"
end

--- "broken.lin_kv_local" for tests/broken/lin_kv_local.lua.
function M.name(path)
  local folder, name = path:match "([^/]+)/([^/]+)%.lua$"
  return folder and folder .. "." .. name or path
end

return M
