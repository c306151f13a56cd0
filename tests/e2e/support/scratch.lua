--- Files for one run of a suite, in a folder of their own that is removed at the end.
local uv = require "luv"

local M = {}

local folder
local count = 0

local function remove_tree(path)
  local scan = uv.fs_scandir(path)
  while scan do
    local name, kind = uv.fs_scandir_next(scan)
    if not name then
      break
    end
    local child = path .. "/" .. name
    if kind == "directory" then
      remove_tree(child)
    else
      uv.fs_unlink(child)
    end
  end
  uv.fs_rmdir(path)
end

--- The folder's path.
function M.folder()
  if not folder then
    local tmp = (os.getenv "TMPDIR" or "/tmp") .. "/vortex-e2e-XXXXXX"
    folder = assert(uv.fs_mkdtemp(tmp))
  end
  return folder
end

--- Writes a file, making its folders; returns its path.
function M.file(name, text, mode)
  local path = M.folder() .. "/" .. name
  for at in name:gmatch "()/" do
    uv.fs_mkdir(M.folder() .. "/" .. name:sub(1, at - 1), 493) -- 0755
  end
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  if mode then
    uv.fs_chmod(path, mode)
  end
  return path
end

--- Writes a Lua script under a fresh name; returns its path.
function M.script(source)
  count = count + 1
  return M.file(("script_%d.lua"):format(count), source)
end

function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

--- Removes everything.
function M.remove()
  if folder then
    remove_tree(folder)
    folder = nil
  end
end

return M
