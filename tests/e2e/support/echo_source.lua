--- The script that most tests of the message loop run: an echo service that can also say what it has seen.
return [[
local vortex = require "vortex"
local seen = {}
vortex.on("echo", function(msg)
  return { echo = msg.body.echo }
end)
vortex.on("note", function(msg)
  seen[#seen + 1] = msg.body.value
end)
vortex.on("seen", function()
  return { seen = vortex.array(seen) }
end)
]]
