/* Stored histories: what events come out of each notation (as JSON lines), and where and why malformed ones are refused. */
#include "lab/history.h"

#include <lauxlib.h>

#include "cmocka_all.h"
#include "script/codec.h"
#include "script/script.h"

static struct script *script;

static void open_module(lua_State *L, void *arg)
{
  (void)arg;
  luaL_requiref(L, "vortex.history.core", history_open, 1);
  lua_setglobal(L, "history");
}

static int set_up(void **state)
{
  (void)state;
  script = script_new(&(struct script_config){.path = "history_test", .open = open_module});
  lua_settop(script_lua(script), 0);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  script_free(script);
  return 0;
}

/* The text, called `name`, is read as `format`; its events are these lines. */
static void assert_events(const char *name, const char *text, enum history_format format, const char *lines)
{
  lua_State *L = script_lua(script);
  struct buf message = {0};
  struct buf out = {0};
  struct codec_error error;
  enum history_format found;
  codec_error_init(&error);
  if (history_read(L, slice_of(text, strlen(text)), name, &found, &message) != 0) {
    fail_msg("%.*s", (int)message.len, message.data);
  }
  assert_int_equal(lua_gettop(L), 1);
  assert_int_equal(found, format);
  for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
    assert_int_equal(codec_encode(script, L, -1, &out, &error), 0);
    buf_append_char(&out, '\n');
    lua_pop(L, 1);
  }
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, lines);
  lua_settop(L, 0);
  buf_free(&out);
  buf_free(&message);
}

/* The text is refused with exactly this message. */
static void assert_refused_bytes(const char *name, struct slice text, const char *expected)
{
  lua_State *L = script_lua(script);
  struct buf message = {0};
  enum history_format format;
  assert_int_equal(history_read(L, text, name, &format, &message), -1);
  assert_int_equal(lua_gettop(L), 0);
  buf_append_char(&message, '\0');
  assert_string_equal(message.data, expected);
  buf_free(&message);
}

static void assert_refused(const char *name, const char *text, const char *expected)
{
  assert_refused_bytes(name, slice_of(text, strlen(text)), expected);
}

#define READ(n, time) "{\"f\":\"read\",\"index\":" #n ",\"process\":4,\"time\":" #time ",\"type\":\"invoke\",\"value\":null}\n"

/* ---- EDN ---- */

static void test_edn_vector_list_or_sequence(void **state)
{
  (void)state;
  static const char op[] = "{:process 4, :type :invoke, :f :read, :value nil}";
  static const char *const forms[] = {"[%s\n %s]",
                                      "(%s %s)",
                                      "%s\n%s\n",
                                      "%s%s",
                                      "; first\n[%s ; one\n %s] ; end\n",
                                      "#jepsen.history.DenseHistory [%s %s]",
                                      "#jepsen.history.Op%s #jepsen.history.Op %s",
                                      "\xef\xbb\xbf[%s %s]",
                                      "#_ [] %s #_ :x %s"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    char text[256];
    snprintf(text, sizeof text, forms[i], op, op);
    assert_events("a.edn", text, HISTORY_EDN, READ(0, 0) READ(1, 1000000));
  }
}

static void test_edn_members(void **state)
{
  (void)state;
  assert_events("a.edn",
                "{:index 7 :time 12 :type :invoke :process 0 :f :cas :value [0 [1 2]]}\n"
                "{:type :fail :process 0 :f :cas :value [0 [1 2]] :error [:precondition-failed \"no\"]}\n"
                "{:type :ok :process 1 :f :read :value #{1 2} :final? true :error nil}\n"
                "{:type :ok :process 1 :f :read :value nil :final? false}\n"
                "{\"type\" \"ok\" \"process\" 1 \"f\" \"read\" \"final\" true}\n"
                "{:process :nemesis, :type :info, :f :start-partition, :value \"Cut off\", :time nil, :node \"n1\"}\n",
                HISTORY_EDN,
                "{\"f\":\"cas\",\"index\":7,\"process\":0,\"time\":12,\"type\":\"invoke\",\"value\":[0,[1,2]]}\n"
                "{\"error\":[\"precondition-failed\",\"no\"],\"f\":\"cas\",\"index\":1,\"process\":0,\"time\":12,\"type\":\"fail\","
                "\"value\":[0,[1,2]]}\n"
                "{\"f\":\"read\",\"final\":true,\"index\":2,\"process\":1,\"time\":12,\"type\":\"ok\",\"value\":[1,2]}\n"
                "{\"f\":\"read\",\"index\":3,\"process\":1,\"time\":12,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"read\",\"final\":true,\"index\":4,\"process\":1,\"time\":12,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"start-partition\",\"index\":5,\"node\":\"n1\",\"process\":\"nemesis\",\"time\":12,\"type\":\"info\","
                "\"value\":\"Cut off\"}\n");
}

static void test_an_empty_history_must_say_so(void **state)
{
  (void)state;
  assert_events("a.edn", "[]", HISTORY_EDN, "");
  assert_events("a.json", " [ ] ", HISTORY_JSON, "");
  assert_refused("a.edn", "", "a.edn: no operation in it");
  assert_refused("a.edn", " ; nothing\n", "a.edn: no operation in it");
  assert_refused("a.json", "\n \n", "a.json: no operation in it");
  assert_refused("a.log", "INFO  jepsen.core - Everything looks good!\n",
                 "a.log: no line of it is an operation (INFO  jepsen.util - 0<tab>:invoke<tab>:read<tab>nil)");
}

#define OP "{:process 4, :type :invoke, :f :read, :value nil}"

static void test_malformed_edn_says_where(void **state)
{
  (void)state;
  assert_refused("h/a.edn", "[" OP "\n {:process 4, :type :invoke, :f :read, :value 1/2}]",
                 "h/a.edn:2:47: a ratio: only integers and decimal numbers can be read");
  assert_refused("a.edn", "[" OP "\n" OP, "a.edn:1:1: '[' is never closed");
  assert_refused("a.edn", "[" OP "\n" OP ")", "a.edn:2:50: a value expected, not ')'");
  assert_refused("a.edn", "[" OP "]\n\n [", "a.edn:3:2: nothing expected behind the end of the history");
  assert_refused("a.edn", OP "\n[]", "a.edn:2:1: an operation (a map) expected");
  assert_refused("a.edn", "[1]", "a.edn:1:2: an operation (a map) expected");
  assert_refused("a.edn", "[[]]", "a.edn:1:2: an operation (a map) expected");
  assert_refused("a.edn", "hello world", "a.edn:1:1: an operation (a map) expected");
  assert_refused("a.edn", "[" OP "\n{:process 4, :type", "a.edn:2:1: '{' is never closed");
  assert_refused("a.edn", "[{:v \"\xc3\xa9\xe2\x82\xac\" ]", "a.edn:1:11: '}' expected, not ']'"); /* characters, not bytes */
  assert_refused("a.edn", "[" OP "] #_", "a.edn:1:55: a value expected, but the text ends");
  assert_refused("a.edn", "\xef\xbb\xbf]", "a.edn:1:1: a value expected, not ']'");
  assert_refused_bytes("a.edn",
                       slice_of("\x7f"
                                "ELF\2\1\0\0",
                                8),
                       "a.edn:1:1: a value expected, not byte 0x7f");
}

static void test_operations_must_be_complete(void **state)
{
  (void)state;
  assert_refused("a.edn", "\n {}", "a.edn:2:2: an operation of type invoke, ok, fail or info expected, not nil");
  assert_refused("a.edn", "{:type :okay :process 1 :f :read}",
                 "a.edn:1:1: an operation of type invoke, ok, fail or info expected, not \"okay\"");
  assert_refused("a.edn", "{:type 3 :process 1 :f :read}", "a.edn:1:1: an operation of type invoke, ok, fail or info expected, not 3");
  assert_refused("a.edn", "{:type [] :process 1 :f :read}",
                 "a.edn:1:1: an operation of type invoke, ok, fail or info expected, not a collection");
  assert_refused("a.edn", "{:type :ok :f :read}",
                 "a.edn:1:1: an operation whose process is an integer from 0 on, or nemesis, expected, not nil");
  assert_refused("a.edn", "{:type :ok :process -1 :f :read}",
                 "a.edn:1:1: an operation whose process is an integer from 0 on, or nemesis, expected, not -1");
  assert_refused("a.edn", "{:type :ok :process 1.5 :f :read}",
                 "a.edn:1:1: an operation whose process is an integer from 0 on, or nemesis, expected, not 1.5");
  assert_refused("a.edn", "{:type :ok :process :c1 :f :read}",
                 "a.edn:1:1: an operation whose process is an integer from 0 on, or nemesis, expected, not \"c1\"");
  assert_refused("a.edn", "{:type :ok :process 1}", "a.edn:1:1: an operation whose f is a name expected, not nil");
  assert_refused("a.edn", "{:type :ok :process 1 :f true}", "a.edn:1:1: an operation whose f is a name expected, not boolean");
  assert_refused("a.edn", "{:type :ok :process 1 :f :read :time \"5\"}",
                 "a.edn:1:1: an operation whose time is an integer expected, not \"5\"");
  assert_refused("a.edn", "{:type :ok :process 1 :f :read :index 0.5}",
                 "a.edn:1:1: an operation whose index is an integer expected, not 0.5");
  assert_refused("a.edn", "{:type \"o\\u001b[2Jk\" :process 1 :f :read}", /* nothing that a terminal would obey */
                 "a.edn:1:1: an operation of type invoke, ok, fail or info expected, not \"o?[2Jk\"");
}

static void test_times_go_on(void **state)
{
  (void)state;
  assert_events("a.edn", "{:type :ok :process 1 :f :read}{:type :ok :process 1 :f :read :time -7}{:type :ok :process 1 :f :read}",
                HISTORY_EDN,
                "{\"f\":\"read\",\"index\":0,\"process\":1,\"time\":0,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"read\",\"index\":1,\"process\":1,\"time\":-7,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"read\",\"index\":2,\"process\":1,\"time\":-7,\"type\":\"ok\",\"value\":null}\n");
  assert_events("a.edn",
                "{:type :ok :process 1 :f :read :time 9223372036854775807}{:type :ok :process 1 :f :read}"
                "{:type :ok :process 1 :f :read :time 5.0}",
                HISTORY_EDN,
                "{\"f\":\"read\",\"index\":0,\"process\":1,\"time\":9223372036854775807,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"read\",\"index\":1,\"process\":1,\"time\":9223372036854775807,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"read\",\"index\":2,\"process\":1,\"time\":5,\"type\":\"ok\",\"value\":null}\n");
}

/* ---- the log ---- */

static void test_log(void **state)
{
  (void)state;
  assert_events("a.log",
                "INFO  jepsen.core - Worker 3 starting\n"
                "INFO  jepsen.util - 4\t:invoke\t:cas\t[2 4]\n"
                "INFO  jepsen.util - 4\t:fail\t:cas\t[2 4]\n"
                "2014-06-01 INFO  jepsen.util - 4\t:ok\t:read\tnil\r\n"
                "INFO  jepsen.util - :nemesis\t:info\t:start\t:cut\n"
                "INFO  jepsen.util - Run complete, writing\n"
                "INFO  jepsen.util - 3\t:info\t:write\t:timed-out\n"
                "INFO  jepsen.util - 4\t:info\t:cas\t:timed-out\n"
                "INFO  jepsen.util - 3\t:fail\t:read\t[0 nil]\t:timed-out\n"
                "INFO [2020-01-01] jepsen worker 3 - jepsen.util 3\t:ok\t:read\t\"a\\tb\"",
                HISTORY_LOG,
                "{\"f\":\"cas\",\"index\":0,\"process\":4,\"time\":0,\"type\":\"invoke\",\"value\":[2,4]}\n"
                "{\"f\":\"cas\",\"index\":1,\"process\":4,\"time\":1000000,\"type\":\"fail\",\"value\":[2,4]}\n"
                "{\"f\":\"read\",\"index\":2,\"process\":4,\"time\":2000000,\"type\":\"ok\",\"value\":null}\n"
                "{\"f\":\"start\",\"index\":3,\"process\":\"nemesis\",\"time\":3000000,\"type\":\"info\",\"value\":\"cut\"}\n"
                "{\"error\":\"timed-out\",\"f\":\"write\",\"index\":4,\"process\":3,\"time\":4000000,\"type\":\"info\",\"value\":null}\n"
                "{\"error\":\"timed-out\",\"f\":\"cas\",\"index\":5,\"process\":4,\"time\":5000000,\"type\":\"info\",\"value\":[2,4]}\n"
                "{\"error\":\"timed-out\",\"f\":\"read\",\"index\":6,\"process\":3,\"time\":6000000,\"type\":\"fail\",\"value\":[0,null]}\n"
                "{\"f\":\"read\",\"index\":7,\"process\":3,\"time\":7000000,\"type\":\"ok\",\"value\":\"a\\tb\"}\n");
}

#define LINE "INFO  jepsen.util - 4\t:invoke\t:read\tnil\n"

static void test_malformed_log_says_where(void **state)
{
  (void)state;
  assert_refused("a.log", LINE "INFO  jepsen.util - 4\t:invoke\t:read\n",
                 "a.log:2:21: four fields of an operation expected: process, :type, :f and value");
  assert_refused("a.log", LINE "INFO  jepsen.util - 4\t:invoke\t:write\t[1 2\n" LINE, "a.log:2:38: '[' is never closed");
  assert_refused("a.log", LINE LINE "INFO  jepsen.util - 4\t:begin\t:write\t1\n",
                 "a.log:3:21: an operation of type invoke, ok, fail or info expected, not \"begin\"");
  assert_refused("a.log", "INFO  jepsen.util - x\t:ok\t:write\t1\n",
                 "a.log:1:21: an operation whose process is an integer from 0 on, or nemesis, expected, not \"x\"");
  assert_refused("a.log", "INFO  jepsen.util - 4\t:ok\t:write\t1\t:a\t:b\n", "a.log:1:39: nothing expected behind an operation's error");
  assert_refused("a.log", "{}", "a.log: no line of it is an operation (INFO  jepsen.util - 0<tab>:invoke<tab>:read<tab>nil)");
}

/* ---- JSON ---- */

static void test_json(void **state)
{
  (void)state;
  static const char events[] = "{\"f\":\"add\",\"index\":0,\"process\":0,\"time\":7,\"type\":\"invoke\",\"value\":9007199254740993}\n"
                               "{\"f\":\"read\",\"final\":true,\"index\":1,\"process\":1,\"time\":7,\"type\":\"ok\",\"value\":[1,[]]}\n"
                               "{\"f\":\"kill\",\"index\":2,\"process\":\"nemesis\",\"time\":7,\"type\":\"info\",\"value\":null}\n";
  assert_events("a.jsonl",
                "{\"index\":0,\"time\":7,\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":9007199254740993}\r\n\n"
                " {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":[1,[]],\"final\":true,\"error\":null} \n"
                "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\"}",
                HISTORY_JSON, events);
  assert_events("a.json",
                "[{\"index\":0,\"time\":7,\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":9007199254740993},\n"
                " {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":[1,[]],\"final\":true},\n"
                "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\"}\n]\n",
                HISTORY_JSON, events);
  assert_events("again.jsonl", events, HISTORY_JSON, events);
}

#define OBJECT "{\"process\":4,\"type\":\"invoke\",\"f\":\"read\"}"

static void test_malformed_json_says_where(void **state)
{
  (void)state;
  assert_refused("a.jsonl", OBJECT "\n{\"process\":4,\"type\"\n", "a.jsonl:2:20: unexpected end of text");
  assert_refused("a.jsonl", OBJECT "\n[1]\n", "a.jsonl:2:1: an operation (an object) expected");
  assert_refused("a.jsonl", OBJECT "\n\n\n  {\"type\":\"ok\",\"f\":\"x\"}\n",
                 "a.jsonl:4:3: an operation whose process is an integer from 0 on, or nemesis, expected, not nil");
  assert_refused("a.json", "[" OBJECT ",\n 3]", "a.json:2:2: an operation (an object) expected");
  assert_refused("a.json", "[" OBJECT ",\n " OBJECT, "a.json:2:42: unexpected end of text");
}

/* ---- the notation ---- */

static void test_other_names_are_judged_by_content(void **state)
{
  (void)state;
  assert_events("history", "\n  [" OP "]", HISTORY_EDN, READ(0, 0));
  assert_events("history.txt", OP, HISTORY_EDN, READ(0, 0));
  assert_events("history.txt", "; comment\n(" OP ")", HISTORY_EDN, READ(0, 0));
  assert_events("history.txt", "#jepsen.history.Op" OP, HISTORY_EDN, READ(0, 0));
  assert_events("history.txt", LINE, HISTORY_LOG, READ(0, 0));
  assert_events("history.txt", OBJECT, HISTORY_JSON, READ(0, 0));
  assert_events("history.txt", "[ " OBJECT "]", HISTORY_JSON, READ(0, 0));
  assert_refused("history.txt", "once upon a time", "history.txt: neither EDN nor JSON nor lines of Jepsen's log");
  assert_refused("history.txt", "", "history.txt: neither EDN nor JSON nor lines of Jepsen's log");
  assert_refused("edn", OBJECT "{", "edn:1:41: text behind the value");
}

/* ---- the module ---- */

static void run(const char *source)
{
  lua_State *L = script_lua(script);
  if (luaL_dostring(L, source) != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  lua_settop(L, 0);
}

static void test_module(void **state)
{
  (void)state;
  run("local events, info = history.read('[{:type :ok :process 1 :f :read :value [1]}]', 'x.edn')\n"
      "assert(#events == 1 and events[1].value[1] == 1 and info.format == 'edn' and info.failed_cas == 'dropped')\n"
      "assert(require 'vortex.core'.is_array(events[1].value))\n"
      "_, info = history.read('jepsen.util - 1\\t:ok\\t:read\\t1', 'x.log')\n"
      "assert(info.format == 'log' and info.failed_cas == 'observed')\n"
      "_, info = history.read('{\"type\":\"ok\",\"process\":1,\"f\":\"read\"}', 'x')\n"
      "assert(info.format == 'json' and info.failed_cas == 'dropped')\n"
      "local nothing, message = history.read('[', 'x.edn')\n"
      "assert(nothing == nil and message == \"x.edn:1:1: '[' is never closed\")\n"
      "assert(not pcall(history.read))\n");
}

static void test_keyed(void **state)
{
  (void)state;
  run("local function keyed(text)\n"
      "  return history.keyed(assert(history.read(text, 'x.edn')))\n"
      "end\n"
      "local function op(f, value, type, process)\n"
      "  return ('{:type :%s :process %s :f :%s :value %s}'):format(type or 'invoke', process or '0', f, value)\n"
      "end\n"
      "assert(keyed '[]' == false)\n"
      "for _, v in ipairs { 'nil', '3', ':x', '[]', '[1]', '[1 2 3]', '{:a 1 :b 2}' } do\n"
      "  assert(keyed(op('read', v)) == false, v)\n"
      "  assert(keyed(op('write', v)) == false, v)\n"
      "end\n"
      "assert(keyed(op('read', '[0 nil]')) == true)\n"
      "assert(keyed(op('write', '[0 4]')) == true)\n"
      "assert(keyed(op('cas', '[1 2]')) == false)\n"
      "assert(keyed(op('cas', '[1 [2 3]]')) == true)\n"
      "assert(keyed(op('cas', 'nil') .. op('write', '[0 1]')) == true)\n"
      "assert(keyed(op('read', '[0 1]', 'ok') .. op('read', 'nil')) == false)\n" /* only invocations count */
      "assert(keyed(op('read', '[0 1]', 'invoke', ':nemesis') .. op('write', '1')) == false)\n"
      "assert(keyed(op('add', '[0 1]') .. op('write', '1')) == false)\n"
      "local ok, message = pcall(keyed, op('add', '1') .. op('write', '[0 1]') .. op('cas', '[1 2]'))\n"
      "assert(not ok and message == 'operation 1 has a key and operation 2 has none: "
      "either all reads, writes and cas name a key or none', message)\n"
      "ok, message = pcall(keyed, op('cas', '[1 2]') .. op('read', '[1 nil]'))\n"
      "assert(not ok and message:find('operation 0 has no key and operation 1 has one', 1, true), message)\n"
      "assert(not pcall(history.keyed, { 1 }))\n"
      "assert(not pcall(history.keyed))\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_edn_vector_list_or_sequence),
      cmocka_unit_test(test_edn_members),
      cmocka_unit_test(test_an_empty_history_must_say_so),
      cmocka_unit_test(test_malformed_edn_says_where),
      cmocka_unit_test(test_operations_must_be_complete),
      cmocka_unit_test(test_times_go_on),
      cmocka_unit_test(test_log),
      cmocka_unit_test(test_malformed_log_says_where),
      cmocka_unit_test(test_json),
      cmocka_unit_test(test_malformed_json_says_where),
      cmocka_unit_test(test_other_names_are_judged_by_content),
      cmocka_unit_test(test_module),
      cmocka_unit_test(test_keyed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
