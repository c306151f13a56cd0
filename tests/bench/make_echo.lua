-- Writes what a Maelstrom node under an echo test is sent: init, then COUNT requests of a few clients.
-- usage: lua5.4 make_echo.lua COUNT >requests.ndjson
local count = assert(math.tointeger(tonumber(arg[1])), "usage: make_echo.lua COUNT")

io.stdout:setvbuf("full", 1 << 16)
io.write('{"id":0,"src":"c0","dest":"n0","body":{"type":"init","node_id":"n0","node_ids":["n0"],"msg_id":1}}\n')
for i = 1, count do
  io.write(string.format(
    '{"id":%d,"src":"c%d","dest":"n0","body":{"echo":"Please echo %d","type":"echo","msg_id":%d}}\n',
    2 * i, 2 + i % 8, (i * 37) % 128, i // 8 + 1
  ))
end
