-- Echo that pads each text to a multiple of eight characters, to have it aligned, and takes the padding off again.
-- The padding is two characters long, so a text of odd length is padded for ever: the handler never returns.
--
--   vortex-lua test -w echo --node-count 1 --rate 2 --time-limit 5 --seeds 2 tests/broken/echo_endless.lua
-- convicted of: instructions
local vortex = require "vortex"

local function aligned(length)
  while length % 8 ~= 0 do
    length = length + 2
  end
  return length
end

vortex.on("echo", function(msg)
  local text = tostring(msg.body.echo)
  local padded = text .. (" "):rep(aligned(#text) - #text)
  return { echo = padded:sub(1, #text) }
end)
