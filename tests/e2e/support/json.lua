--- A strict reader and writer of JSON (RFC 8259) that keeps what a test of a codec must see: whether a number was written as an integer,
--- and whether something empty was an array or an object.
---
---   integers that fit in 64 bits   Lua integers
---   any other number               json.number(token): a table with the token as `raw`
---   arrays, objects                tables with json.Array or json.Object as metatable
---   null                           json.null
local M = {}

local MAX_DEPTH = 1000

M.Array = { __name = "json.Array" }
M.Object = { __name = "json.Object" }
M.Number = { __name = "json.Number" }
M.null = setmetatable({}, {
  __name = "json.null",
  __tostring = function()
    return "null"
  end,
})

--- Marks a table as an array.
function M.array(t)
  return setmetatable(t or {}, M.Array)
end

--- Marks a table as an object.
function M.object(t)
  return setmetatable(t or {}, M.Object)
end

--- A number that is written exactly as `token`.
function M.number(token)
  return setmetatable({ raw = token }, M.Number)
end

function M.is_array(value)
  return getmetatable(value) == M.Array
end

function M.is_object(value)
  return getmetatable(value) == M.Object
end

--- Whether a number was written as an integer (of any size).
function M.is_integer(value)
  return math.type(value) == "integer" or (getmetatable(value) == M.Number and value.raw:find "^%-?%d+$" ~= nil)
end

function M.is_number(value)
  return type(value) == "number" or getmetatable(value) == M.Number
end

local function fail(at, what)
  error(("byte %d: %s"):format(at, what), 0)
end

local function skip_space(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function read_number(text, at)
  local int, after = text:match("^(%-?[1-9]%d*)()", at)
  if not int then
    int, after = text:match("^(%-?0)()", at)
  end
  if not int then
    fail(at, "not a value")
  end
  local stop = text:match("^%.%d+()", after) or after
  stop = text:match("^[eE][+-]?%d+()", stop) or stop
  if text:find("^[%w.+-]", stop) then
    fail(stop, "a malformed number")
  end
  local token = text:sub(at, stop - 1)
  local value = math.tointeger(tonumber(token))
  if stop == after and math.type(tonumber(token)) == "integer" and tostring(value) == token then
    return value, stop
  end
  return M.number(token), stop
end

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function read_unicode(text, at)
  local hex = text:match("^u(%x%x%x%x)", at) or fail(at, "a malformed \\u escape")
  local code = tonumber(hex, 16)
  if code >= 0xDC00 and code <= 0xDFFF then
    fail(at, "a lone surrogate")
  elseif code >= 0xD800 and code <= 0xDBFF then
    local low = tonumber(text:match("^\\u([dD][c-fC-F]%x%x)", at + 5) or fail(at, "a lone surrogate"), 16)
    return utf8.char(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), at + 11
  end
  return utf8.char(code), at + 5
end

local function read_string(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('[%c"\\]', from) or fail(#text, "an unfinished string")
    parts[#parts + 1] = text:sub(from, stop - 1)
    local char = text:sub(stop, stop)
    if char == '"' then
      local whole = table.concat(parts)
      return utf8.len(whole) and whole or fail(at, "a string that is not UTF-8"), stop + 1
    elseif char == "\\" then
      local escape = text:sub(stop + 1, stop + 1)
      if escape == "u" then
        parts[#parts + 1], from = read_unicode(text, stop + 1)
      else
        parts[#parts + 1], from = ESCAPES[escape] or fail(stop, "an unknown escape"), stop + 2
      end
    elseif char == "\127" then
      parts[#parts + 1], from = char, stop + 1
    else
      fail(stop, "a control character in a string")
    end
  end
end

local read_value

local function read_array(text, at, depth)
  local result = M.array()
  at = skip_space(text, at + 1)
  if text:sub(at, at) == "]" then
    return result, at + 1
  end
  while true do
    result[#result + 1], at = read_value(text, at, depth)
    at = skip_space(text, at)
    local char = text:sub(at, at)
    if char == "]" then
      return result, at + 1
    elseif char ~= "," then
      fail(at, "expected , or ]")
    end
    at = skip_space(text, at + 1)
  end
end

local function read_object(text, at, depth)
  local result = M.object()
  at = skip_space(text, at + 1)
  if text:sub(at, at) == "}" then
    return result, at + 1
  end
  while true do
    if text:sub(at, at) ~= '"' then
      fail(at, "expected a key")
    end
    local start, key = at
    key, at = read_string(text, at)
    if rawget(result, key) ~= nil then
      fail(start, ("a second key %q"):format(key))
    end
    at = skip_space(text, at)
    if text:sub(at, at) ~= ":" then
      fail(at, "expected :")
    end
    result[key], at = read_value(text, skip_space(text, at + 1), depth)
    at = skip_space(text, at)
    local char = text:sub(at, at)
    if char == "}" then
      return result, at + 1
    elseif char ~= "," then
      fail(at, "expected , or }")
    end
    at = skip_space(text, at + 1)
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", M.null } }

function read_value(text, at, depth)
  local char = text:sub(at, at)
  if char == "{" or char == "[" then
    if depth == MAX_DEPTH then
      fail(at, "nested too deeply")
    end
    return (char == "{" and read_object or read_array)(text, at, depth + 1)
  elseif char == '"' then
    return read_string(text, at)
  elseif WORDS[char] then
    local word, value = table.unpack(WORDS[char])
    if text:sub(at, at + #word - 1) ~= word then
      fail(at, "not a value")
    end
    return value, at + #word
  end
  return read_number(text, at)
end

--- The value of a text that is exactly one JSON value. Raises with the place and the reason. Stricter than the RFC: duplicate keys, lone
--- surrogates and strings that are not UTF-8 are refused, since nothing that we judge should write them.
function M.decode(text)
  local value, at = read_value(text, skip_space(text, 1), 0)
  at = skip_space(text, at)
  if at <= #text then
    fail(at, "something behind the value")
  end
  return value
end

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(char)
    return char == '"' and '\\"' or char == "\\" and "\\\\" or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function encode_table(value)
  local parts, meta = {}, getmetatable(value)
  if meta == M.Number then
    return value.raw
  elseif meta == M.Array or (meta == nil and #value > 0) then
    for i, element in ipairs(value) do
      parts[i] = M.encode(element)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = quote(key) .. ":" .. M.encode(value[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The value as JSON with sorted keys, so that equal values give equal texts. Untagged tables: a sequence that is not empty is an array.
function M.encode(value)
  if value == M.null then
    return "null"
  elseif type(value) == "table" then
    return encode_table(value)
  elseif type(value) == "string" then
    return quote(value)
  elseif math.type(value) == "float" then
    return ("%.17g"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  error("json: cannot write a " .. type(value), 2)
end

return M
