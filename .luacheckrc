-- luacheck lua examples tests --config .luacheckrc
std = "lua54"
max_line_length = 140
codes = true
cache = false
self = false -- methods that ignore their object

exclude_files = { "build/**", "lua/vortex/_meta.lua" } -- annotations: function bodies are empty on purpose
