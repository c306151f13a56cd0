-- The least that a Maelstrom echo node in stock Lua has to do: the yardstick of scripts/bench. It knows init and echo,
-- checks nothing, and is fully buffered on both sides.
local cjson = require "cjson"

io.stdin:setvbuf("full", 65536)
io.stdout:setvbuf("full", 65536)

local decode, encode, write = cjson.decode, cjson.encode, io.write

for line in io.lines() do
  local request = decode(line)
  local body = request.body
  local reply
  if body.type == "init" then
    reply = { type = "init_ok", in_reply_to = body.msg_id }
  else
    reply = { type = "echo_ok", echo = body.echo, in_reply_to = body.msg_id }
  end
  write(encode { src = request.dest, dest = request.src, body = reply }, "\n")
  if body.type == "init" then
    io.stdout:flush() -- a measurement that waits for the first reply must not wait for the buffer
  end
end
