-- The wire codec against lua-cjson, in one process: vortex-lua codec.lua OUT ROUNDS FILE…
--
-- Every line of the files is decoded and the result dropped; then values that each library decoded itself are encoded
-- and the text dropped. Rounds are interleaved. Writes to OUT one line per measurement, "decode|encode vortex_MBps
-- cjson_MBps", medians of the rounds, then "bytes N" (the size of one pass).
local cjson = require "cjson"
local vortex = require "vortex"

-- Lines are taken in small groups that are gone over many times, so that the values of a group are in the cache, as
-- those of a message that has just come in are; over all lines at once, both libraries wait for memory.
local GROUP, PASSES = 50, 10

local function read_lines(first)
  local lines = {}
  for i = first, #arg do
    for line in io.lines(arg[i]) do
      if pcall(cjson.decode, line) and pcall(vortex.json.decode, line) then -- one transcript ends in a cut line
        lines[#lines + 1] = line
      end
    end
  end
  return lines
end

local function measure(fn, inputs, bytes)
  collectgarbage()
  local begin = os.clock()
  for first = 1, #inputs, GROUP do
    for _ = 1, PASSES do
      for i = first, math.min(first + GROUP - 1, #inputs) do
        fn(inputs[i])
      end
    end
  end
  return bytes * PASSES / (os.clock() - begin) / 1e6
end

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

local function map(fn, values)
  local out = {}
  for i, value in ipairs(values) do
    out[i] = fn(value)
  end
  return out
end

local function compare(rounds, bytes, ours, our_inputs, theirs, their_inputs)
  local us, them = {}, {}
  for round = 1, rounds do
    us[round] = measure(ours, our_inputs, bytes)
    them[round] = measure(theirs, their_inputs, bytes)
  end
  return median(us), median(them)
end

local rounds = tonumber(arg[2])
local lines = read_lines(3)
local bytes = 0
for _, line in ipairs(lines) do
  bytes = bytes + #line
end

local out = assert(io.open(arg[1], "w"))
local us, them = compare(rounds, bytes, vortex.json.decode, lines, cjson.decode, lines)
out:write(string.format("decode %.2f %.2f\n", us, them))
local our_values, their_values = map(vortex.json.decode, lines), map(cjson.decode, lines)
us, them = compare(rounds, bytes, vortex.json.encode, our_values, cjson.encode, their_values)
out:write(string.format("encode %.2f %.2f\n", us, them))
out:write(string.format("bytes %d\n", bytes))
out:close()
os.exit(0)
