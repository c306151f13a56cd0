#!/usr/bin/env vortex-lua
-- Echo in the other model: instead of registering handlers, a script may return a service, whose step receives every
-- event.
--
--   maelstrom test -w echo --bin ./examples/echo_step.lua --node-count 1 --time-limit 10
--   vortex-lua test --nemesis slow,clock --seeds 100 examples/echo_step.lua
return {
  create = function(network)
    return { node = network.id, echoed = 0 }
  end,

  step = function(self, event, network)
    if event.kind == "message" and event.type == "echo" then
      self.echoed = self.echoed + 1
      network:reply(event, { type = "echo_ok", echo = event.body.echo })
    elseif event.kind == "eof" then
      print(("%s echoed %d messages"):format(self.node, self.echoed)) -- print writes to the log
    end
  end,
}
