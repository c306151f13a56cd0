-- luacheck settings. How long a line may be is in tests/lint/tidy.lua.
std = "lua54"
self = false
max_line_length = false
cache = false

-- LuaUnit finds its suites by name: Test* tables are globals.
files["tests"] = { allow_defined_top = true }

-- Annotations for editors: classes and functions without bodies.
files["**/_*.lua"] = { ignore = { "211", "212", "241" } }
