--- A tiny echo node for plain lua5.4 and cjson, which can be told to do one thing wrong: the judge is tested against it.
---   lua5.4 stand_in.lua [blank | trailing | invalid | extra_key | dest | gone | null_id | float | twice | unasked | src | partial |
---                        array_body | schema | silent | swap | exit]
local cjson = require "cjson"

local fault = arg[1] or "none"
local id

local function write(text)
  io.write(text)
  io.flush()
end

local function reply_line(msg, fields)
  return ('{"src":"%s","dest":"%s","body":{"type":"echo_ok","in_reply_to":%d,"echo":%s%s}}'):format(
    id, msg.src, msg.body.msg_id, cjson.encode(msg.body.echo), fields or "")
end

local FAULTS = {
  none = function(msg)
    write(reply_line(msg) .. "\n")
  end,
  blank = function(msg)
    write(reply_line(msg) .. "\n\n")
  end,
  trailing = function(msg)
    write(reply_line(msg) .. " ok\n")
  end,
  invalid = function(msg)
    write(reply_line(msg, ',"x":NaN') .. "\n")
  end,
  extra_key = function(msg)
    write((reply_line(msg):gsub("^{", '{"time":1,')) .. "\n")
  end,
  dest = function(msg)
    write(reply_line(msg) .. "\n" .. ('{"src":"%s","dest":"n9","body":{"type":"x"}}\n'):format(id))
  end,
  gone = function(msg)
    write(reply_line(msg) .. "\n" .. reply_line({ src = "c-init-" .. id, body = { msg_id = 1, echo = 1 } }) .. "\n")
  end,
  null_id = function(msg)
    write(reply_line(msg, ',"msg_id":null') .. "\n")
  end,
  float = function(msg)
    write((reply_line(msg):gsub('"in_reply_to":%d+', "%0.0")) .. "\n")
  end,
  twice = function(msg)
    write(reply_line(msg) .. "\n" .. reply_line(msg) .. "\n")
  end,
  unasked = function(msg)
    write(reply_line(msg) .. "\n" .. ('{"src":"%s","dest":"%s","body":{"type":"x"}}\n'):format(id, msg.src))
  end,
  src = function(msg)
    write((reply_line(msg):gsub('^{"src":"[^"]*"', '{"src":"n9"')) .. "\n")
  end,
  partial = function(msg)
    write(reply_line(msg) .. '\n{"src":"n1"')
  end,
  array_body = function(msg)
    write(reply_line(msg) .. "\n" .. ('{"src":"%s","dest":"%s","body":[]}\n'):format(id, msg.src))
  end,
  schema = function(msg)
    write(reply_line(msg, ',"trace":1') .. "\n")
  end,
  silent = function() end,
  exit = function()
    os.exit(3)
  end,
}

local held
function FAULTS.swap(msg)
  if held then
    write(reply_line(msg) .. "\n" .. reply_line(held) .. "\n")
  end
  held = not held and msg or nil
end

for line in io.lines() do
  local msg = cjson.decode(line)
  if msg.body.type == "init" then
    id = msg.body.node_id
    write(('{"src":"%s","dest":"%s","body":{"type":"init_ok","in_reply_to":%d}}\n'):format(
      id, msg.src, msg.body.msg_id))
  elseif msg.body.type == "echo" then
    FAULTS[fault](msg)
  end
end
