--- g-counter: a counter that only grows.
return require("vortex.workload.counter").workload("g-counter", 0)
