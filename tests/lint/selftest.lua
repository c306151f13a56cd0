-- A lint that cannot fail finds nothing: every rule is shown something it must object to, and something it must not.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path

local lu = require "luaunit"
local includes = require "includes"
local source = require "source"
local tidy = require "tidy"

---What a lint says about a made-up tree, as "path:line: message" lines.
local function findings(lint, files, not_executable)
  local sources, out = {}, {}
  for path, text in pairs(files) do
    sources[#sources + 1] = { path = path, text = text, executable = not not_executable }
  end
  lint.check(sources, function(path, line, message)
    out[#out + 1] = string.format("%s:%d: %s", path, line, message)
  end)
  table.sort(out)
  return out
end

---Exactly one finding, that begins with `beginning`.
local function assert_finds(beginning, lint, path, text)
  local out = findings(lint, { [path] = text })
  lu.assertEquals(#out, 1, table.concat(out, "\n"))
  lu.assertStrContains(out[1], beginning)
end

local function assert_clean(lint, path, text)
  lu.assertEquals(findings(lint, { [path] = text }), {})
end

TestIncludes = {}

function TestIncludes.test_table()
  assert_clean(includes, "src/node/node.c", '#include "json/scan.h"\n#include "node/env.h"\n#include <string.h>\n')
  assert_finds("src/json/scan.c:2: json may not include node", includes, "src/json/scan.c", '\n#include "node/env.h"\n')
  assert_finds("node.c:1: node may not include host", includes, "src/node/node.c", '#  include "host/host.h"\n')
  assert_finds("src/base/map.c:1: base may not include json", includes, "src/base/map.c", '#include "json/scan.h"\n')
end

function TestIncludes.test_libraries()
  assert_finds("node may not include <uv.h>", includes, "src/node/node.c", "#include <uv.h>\n")
  assert_finds("host may not include <lua.h>", includes, "src/host/host.c", "#include <lua.h>\n")
  assert_finds("json may not include <time.h>", includes, "src/json/scan.c", "#include <time.h>\n")
  assert_clean(includes, "src/script/task.c", "#include <lua.h>\n#include <lauxlib.h>\n")
  assert_clean(includes, "src/host/loop.c", "#include <uv.h>\n")
end

function TestIncludes.test_names()
  assert_finds("names no room", includes, "src/node/node.c", '#include "env.h"\n')
  assert_finds("cellar is no room", includes, "src/cellar/x.c", "\n")
end

TestTidy = {}

function TestTidy.test_lines()
  assert_finds("a.c:2: blanks at the end", tidy, "src/a.c", "\nint a; \n")
  assert_finds("a.c:1: a tab", tidy, "src/a.c", "int a;\tint b;\n")
  assert_finds("a.c:1: 141 columns", tidy, "src/a.c", "/*" .. ("x"):rep(139) .. "\n")
  assert_clean(tidy, "src/a.c", "/*" .. ("é"):rep(138) .. "\n")
  assert_finds("a.lua:1: 141 columns", tidy, "lua/a.lua", ("x"):rep(141) .. "\n")
  assert_finds("TO" .. "DO: do it now", tidy, "docs/a.md", "TO" .. "DO\n")
  assert_clean(tidy, "src/a.c", 'char *name = "/tmp/X' .. 'XXXXX";\n')
  assert_finds("no newline", tidy, "src/a.c", "int a;")
end

function TestTidy.test_data_of_a_test_may_be_long()
  assert_clean(tidy, "tests/json/a.h", 'CASE("' .. ("x"):rep(160) .. '")\n')
  assert_finds("167 columns", tidy, "src/a.c", 'CASE("' .. ("x"):rep(159) .. '")\n')
end

function TestTidy.test_length_of_files()
  assert_clean(tidy, "src/a.c", ("int a;\n"):rep(600))
  assert_finds("601 lines: split the file", tidy, "src/a.c", ("int a;\n"):rep(601))
  assert_finds("601 lines: split the file", tidy, "lua/a.lua", ("f()\n"):rep(601))
  assert_clean(tidy, "tests/a.c", ("int a;\n"):rep(1000))
  assert_finds("1001 lines: split the file", tidy, "tests/a.c", ("int a;\n"):rep(1001))
end

function TestTidy.test_scripts()
  assert_finds("begins with #!", tidy, "scripts/build", "echo\n")
  assert_clean(tidy, "scripts/build", "#!/bin/sh\n")
  for _, path in ipairs { "examples/a.lua", "scripts/build", ".ci/run" } do
    lu.assertEquals(findings(tidy, { [path] = "#!/bin/sh\n" }, true), { path .. ":1: not executable: chmod +x" })
  end
end

local GUARDED = "/* What it is. */\n#ifndef %s\n#define %s\n#endif\n"

function TestTidy.test_guards()
  local good = "VORTEX_JSON_SCAN_H"
  assert_clean(tidy, "src/json/scan.h", GUARDED:format(good, good))
  assert_finds("guard must be VORTEX_JSON_SCAN_H", tidy, "src/json/scan.h", GUARDED:format("SCAN_H", "SCAN_H"))
  assert_finds("guard must be VORTEX_JSON_SCAN_H", tidy, "src/json/scan.h", GUARDED:format(good, "OTHER_H"))
  assert_finds("guard must be", tidy, "src/json/scan.h", "#include <string.h>\n" .. GUARDED:format(good, good))
end

function TestTidy.test_functions()
  local function of(head, lines)
    return head .. "\n{\n" .. ("  f();\n"):rep(lines - 3) .. "}\n"
  end
  assert_clean(tidy, "src/json/scan.c", of("static int helper(void)", 70))
  assert_finds("scan.c:3: helper has 71 lines", tidy, "src/json/scan.c", "\n\n" .. of("static int helper(void)", 71))
  assert_finds("scan.c:1: longer has 71 lines", tidy, "src/json/scan.c", of("static int longer(int a,\n  int b)", 70))
  assert_clean(tidy, "src/json/scan.c", of("int json_scan(void)", 5) .. of("int scan_all(void)", 5))
  assert_finds("helper is seen from outside", tidy, "src/json/scan.c", of("int helper(void)", 5))
  assert_finds("helper is seen from outside", tidy, "src/json/scan.c", of("const char *helper(void (*f)(int))", 5))
  assert_clean(tidy, "src/app/main.c", of("int main(int argc, char **argv)", 5))
end

function TestTidy.test_a_type_of_the_room_is_a_prefix()
  local guard = "VORTEX_NODE_PARTY_H"
  local header = GUARDED:format(guard, guard):gsub("#endif", "struct member {\n  int a;\n};\n#endif")
  lu.assertEquals(findings(tidy, {
    ["src/node/party.h"] = header,
    ["src/node/party.c"] = "int member_count(void)\n{\n}\nint party_count(void)\n{\n}\nint members_free(void)\n{\n}\n",
    ["src/node/raft_storage.c"] = "int storage_open(void)\n{\n}\n",
  }), {})
end

function TestTidy.test_inline_functions_of_headers_are_seen_from_outside()
  local guard = "VORTEX_JSON_SCAN_H"
  local header = GUARDED:format(guard, guard):gsub("#endif", "static inline int helper(void)\n{\n}\n#endif")
  assert_finds("helper is seen from outside", tidy, "src/json/scan.h", (header))
end

function TestTidy.test_calls()
  assert_finds("lua_pcall: only src/script", tidy, "src/host/a.c", "  lua_pcall(L, 0, 0, 0);\n")
  assert_clean(tidy, "src/script/a.c", "  lua_pcall(L, 0, 0, 0);\n")
  assert_clean(tidy, "src/host/a.c", '  /* lua_pcall(L) */ f("lua_pcall(L)"); // lua_pcall(L)\n')
  assert_finds("sprintf: use snprintf", tidy, "src/host/a.c", "  sprintf(text, format);\n")
  assert_clean(tidy, "src/host/a.c", "  snprintf(text, 1, format);\n")
end

TestSource = {}

function TestSource.test_c_code_keeps_lines_and_columns()
  local text = 'a = "x\\"y"; /* b\nc */ d = \'"\'; // e\nf / g;\n'
  local code = source.c_code(text)
  lu.assertEquals(#code, #text)
  lu.assertEquals((code:gsub("[ \n]+", " ")), "a = \" \"; d = ' '; f / g; ")
end

os.exit(lu.LuaUnit.run())
