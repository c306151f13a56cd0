--- pn-counter: a counter that grows and shrinks.
return require("vortex.workload.counter").workload("pn-counter", -5)
