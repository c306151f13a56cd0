local lu = require "luaunit"
local core = require "vortex.core"
local edn = require "vortex.lab.edn"
local jsonl = require "vortex.lab.jsonl"

local T = {}

local array, null = core.array, core.null

local function event(fields)
  local all = { index = 0, time = 12, process = 0, type = "invoke", f = "read" }
  for key, value in pairs(fields) do -- order-free
    all[key] = value
  end
  return all
end

local function value_of(value)
  return edn.text({ event { value = value } }):match ":value (.*)}\n$"
end

function T.test_an_event_is_a_line()
  local history = {
    event { value = array { 0, null } },
    event { index = 1, time = 1500000000, type = "ok", value = array { 0, 3 }, final = true },
    event { index = 2, process = "nemesis", type = "info", f = "start-partition", value = "majority" },
  }
  lu.assertEquals(
    edn.text(history),
    "{:index 0, :time 12, :type :invoke, :process 0, :f :read, :value [0 nil]}\n"
      .. "{:index 1, :time 1500000000, :type :ok, :process 0, :f :read, :value [0 3], :final? true}\n"
      .. '{:index 2, :time 12, :type :info, :process :nemesis, :f :start-partition, :value "majority"}\n'
  )
  lu.assertEquals(
    jsonl.text(history),
    '{"index":0,"time":12,"type":"invoke","process":0,"f":"read","value":[0,null]}\n'
      .. '{"index":1,"time":1500000000,"type":"ok","process":0,"f":"read","value":[0,3],"final":true}\n'
      .. '{"index":2,"time":12,"type":"info","process":"nemesis","f":"start-partition","value":"majority"}\n'
  )
  lu.assertEquals(edn.text {}, "")
  lu.assertEquals(jsonl.text {}, "")
end

function T.test_values()
  lu.assertEquals(value_of(nil), "nil")
  lu.assertEquals(value_of(null), "nil")
  lu.assertEquals(value_of(true), "true")
  lu.assertEquals(value_of(math.mininteger), "-9223372036854775808")
  lu.assertEquals(value_of(1.5), "1.5")
  lu.assertEquals(value_of 'a "b"\n\\', '"a \\"b\\"\\n\\\\"')
  lu.assertEquals(value_of(array {}), "[]")
  lu.assertEquals(value_of { 1, array { 2, "x" } }, '[1 [2 "x"]]')
  lu.assertEquals(value_of(core.object {}), "{}")
  lu.assertEquals(
    value_of { type = "echo_ok", echo = "hi", in_reply_to = 1, ["a b"] = null },
    '{"a b" nil, :echo "hi", :in_reply_to 1, :type "echo_ok"}'
  )
end

function T.test_errors_begin_with_a_name()
  local function error_of(err)
    return edn.text({ event { error = err } }):match ":error (.*)}\n$"
  end
  lu.assertEquals(error_of "net-timeout", ":net-timeout")
  lu.assertEquals(error_of(array { "abort", "no: 7" }), '[:abort "no: 7"]')
  lu.assertEquals(error_of(array { "abort", null }), "[:abort nil]")
  lu.assertEquals(error_of "two words", '"two words"')
  lu.assertNil(error_of(nil))
  lu.assertStrContains(jsonl.text { event { error = array { "abort", "no" } } }, ',"error":["abort","no"]}')
end

return T
