---@meta vortex.core
-- What C provides (src/script), for editors. `require "vortex"` hands these functions to scripts as they are.
error "annotations only: this file is not meant to be loaded"

--- A message body: an object with a type.
---@class vortex.Body
---@field type? string what kind of message it is; a reply's defaults to the request's type and "_ok"
---@field msg_id? integer of a request; the node chooses it unless it is given to `send`
---@field in_reply_to? integer of a reply; the node sets it
---@field [string] any

--- A message that a handler was given.
---@class vortex.Message
---@field src string who sent it
---@field dest string this node
---@field type string
---@field body vortex.Body the same table each time it is asked for
local Message = {}

--- Answers the message, now or later; a table that the handler returns does the same. Raises if it has been answered or
--- forwarded, or if the body cannot be encoded.
---@param body vortex.Body
function Message:reply(body) end

--- Hands a client's request to another member, which answers the client itself.
---@param dest string
function Message:forward(dest) end

---@class vortex.Timer
local Timer = {}

--- Stops the timer; a run that has begun is finished.
function Timer:cancel() end

--- A Raft group of this node, and the state machine that it replicates. Made by `vortex.raft`.
---@class vortex.Raft
local Raft = {}

--- Has a command applied, once, on every member of the group, and returns what `apply` returned (an empty table for nil)
--- or raises what it raised. Raises 11 if no member will ever apply it; 0 (timeout) if it may have been applied, or may be
--- yet. On any node. Yields.
---@param command any what JSON can say
---@param opts? vortex.Raft.Timeout default: 0.9 s
---@return any result
function Raft:propose(command, opts) end

--- The same, but returns nil and the error.
---@param command any
---@param opts? vortex.Raft.Timeout
---@return any result
---@return vortex.Error? err
function Raft:try_propose(command, opts) end

--- Calls `fn(state)` with the state here, at a moment when it holds everything that had been applied anywhere when this was
--- called, and returns what it returns. `fn` may neither wait nor change the state. Raises 11 if that moment does not
--- come. On any member. Yields.
---@param fn fun(state: any): ...
---@param opts? vortex.Raft.Timeout default: 0.9 s
---@return any ...
function Raft:read(fn, opts) end

--- The same, but returns nil and the error if the moment does not come. What `fn` raises is raised.
---@param fn fun(state: any): ...
---@param opts? vortex.Raft.Timeout
---@return any ...
function Raft:try_read(fn, opts) end

--- Makes these nodes, and no others, the members of the group. Raises 0 (timeout) if it may still happen. Yields.
---@param members vortex.Raft.Members
---@param opts? vortex.Raft.Timeout default: 5 s
---@return true
function Raft:change(members, opts) end

--- The same, but returns nil and the error.
---@param members vortex.Raft.Members
---@param opts? vortex.Raft.Timeout
---@return true?
---@return vortex.Error? err
function Raft:try_change(members, opts) end

--- Makes another voter lead. Yields.
---@param id? string default: the one whose log is longest
---@param opts? vortex.Raft.Timeout default: 5 s
---@return true
function Raft:transfer(id, opts) end

--- The same, but returns nil and the error.
---@param id? string
---@param opts? vortex.Raft.Timeout
---@return true?
---@return vortex.Error? err
function Raft:try_transfer(id, opts) end

--- Calls `fn(status)` in a task whenever the leader or the members have changed.
---@param fn fun(status: vortex.Raft.Status)
function Raft:on_change(fn) end

--- What this node knows of the group.
---@return vortex.Raft.Status
function Raft:status() end

--- Who leads, as far as this node knows.
---@return string?
function Raft:leader() end

--- Whether this node leads, as far as it knows: another one may do so already.
---@return boolean
function Raft:is_leader() end

---@class vortex.Raft.Timeout
---@field timeout? number seconds

---@class vortex.Raft.Members
---@field voters string[]
---@field learners? string[] they get the log, and do not vote

---@class vortex.Raft.Status
---@field name string
---@field id string this node
---@field role string "leader", "follower", "candidate" …
---@field term integer
---@field leader any its id
---@field vote any whom this node has voted for in this term
---@field commit integer the last entry that is known to be committed
---@field applied integer the last one that has been applied here
---@field last integer the last one in the log here
---@field durable integer the last one that is durable here
---@field first integer the first one that is still in the log here
---@field snapshot { index: integer, term: integer, bytes: integer }
---@field voters string[]
---@field learners string[]
---@field old_voters? string[] while the members are being changed
---@field changing boolean
---@field transferring_to any
---@field peers table<string, table> of a leader: how far each member is
---@field sessions table[] whose proposals are known, and how many of their results
---@field proposals { waiting: integer, in_flight: integer } of this node
---@field log_bytes integer
---@field digest any equal on all members that have applied as much

--- Why something failed. `tostring(err)` is "name (code): text".
---@class vortex.Error
---@field code integer as in Maelstrom's protocol, or from 1000 up
---@field name string e.g. "key-does-not-exist"
---@field text string one line for a person
---@field definite boolean the operation certainly did not happen
---@field remote? boolean it came from another node or a service; uncaught, it is answered with crash (13)

---@class vortex.RpcOptions
---@field timeout? number seconds; default: `--rpc-timeout`

---@class vortex.core
---@field null lightuserdata JSON's null, the same as cjson.null; true in a condition
---@field check? string what `--check` was given: a workload, or "" to infer it
---@field error_meta table the metatable of error objects
local core = {}

--- Handles the messages of a type (or of several). The function's result is the answer: a table is sent, nil sends
--- nothing. Handlers start in the order of arrival, and each runs to its first yield at once. A type has one handler.
---@param type string|string[]
---@param fn fun(msg: vortex.Message): vortex.Body?
function core.on(type, fn) end

--- Handles the messages of all types that have no handler.
---@param fn fun(msg: vortex.Message): vortex.Body?
function core.on_default(fn) end

--- Runs a function once the node knows its cluster, before requests are handled.
---@param fn fun()
function core.on_init(fn) end

--- Runs a function when the node ends in order.
---@param fn fun()
function core.on_exit(fn) end

--- Sends a message that nobody waits for an answer to. Raises if there is no such destination or the body cannot be
--- encoded.
---@param dest string
---@param body vortex.Body
function core.send(dest, body) end

--- Sends a message to all other members.
---@param body vortex.Body
function core.broadcast(body) end

--- Sends a request and returns the reply's body, or raises the error that was the answer, or a timeout. Yields.
---@param dest string
---@param body vortex.Body
---@param opts? vortex.RpcOptions
---@return vortex.Body reply
function core.rpc(dest, body, opts) end

--- Sends a request and returns the reply's body, or nil and the error. Yields.
---@param dest string
---@param body vortex.Body
---@param opts? vortex.RpcOptions
---@return vortex.Body? reply
---@return vortex.Error? err
function core.try_rpc(dest, body, opts) end

--- Runs a function as a task of its own, as soon as the running task yields or ends.
---@param fn fun(...)
---@param ... any
function core.spawn(fn, ...) end

--- Runs a function as a task of its own when the running task, or the function of a state machine, has ended.
---@param fn fun()
function core.defer(fn) end

--- Lets other tasks run for so long. Yields.
---@param seconds number
function core.sleep(seconds) end

--- Runs a function in a task of its own, once, after so many seconds. Time begins when on_init has ended.
---@param seconds number
---@param fn fun()
---@return vortex.Timer
function core.after(seconds, fn) end

--- Runs a function in a task of its own every so many seconds, give or take a tenth; the first time after that. It
--- never overlaps itself.
---@param seconds number
---@param fn fun()
---@return vortex.Timer
function core.every(seconds, fn) end

--- The running task: a value to compare, to keep and to unpark. Raises outside a task.
---@return integer
function core.task() end

--- Raises, and says why, where `what` could not wait: outside a task, in a coroutine of the script's own, below a C function.
---@param what string
function core.check_wait(what) end

--- Waits for unpark, and returns what it passes; nil and an error when the time is over. Yields.
---@param seconds? number default: for ever
---@return any ...
function core.park(seconds) end

--- Makes a parked task go on. Returns false if it is not parked.
---@param task integer
---@param ... any what its park returns
---@return boolean
function core.unpark(task, ...) end

--- Seconds on the node's clock, which only goes forward and began at no particular time.
---@return number
function core.now() end

--- 64 random bits.
---@return integer
function core.random() end

--- Writes an entry to the log.
---@param level "debug"|"info"|"warn"|"error"
---@param text string
function core.log(level, text) end

--- Raises an error, which becomes the answer to the request being handled: by code or name, or one that was caught,
--- with its own code.
---@param err integer|string|vortex.Error
---@param text? string
function core.error(err, text) end

--- Makes an error without raising it.
---@param err integer|string
---@param text? string
---@param fields? table further fields
---@return vortex.Error
function core.error_new(err, text, fields) end

--- Whether a value is an error object.
---@param value any
---@return boolean
function core.is_error(value) end

--- JSON text of a value, with keys in a fixed order. Raises, naming the path, if there is none.
---@param value any
---@return string
function core.encode(value) end

--- The value of a JSON text. Raises, naming the place, if it is not JSON.
---@param text string
---@return any
function core.decode(text) end

--- Marks a table (default: a new one) as an array: it is sent as `[]` even if it is empty. Returns it.
---@generic T: table
---@param t? T
---@return T
function core.array(t) end

--- Marks a table (default: a new one) as an object. Returns it.
---@generic T: table
---@param t? T
---@return T
function core.object(t) end

--- Whether a table is marked as an array, as decoded ones are.
---@param value any
---@return boolean
function core.is_array(value) end

--- How long an RPC waits unless it is told, in seconds.
---@return number
function core.service_timeout() end

--- The table that gets id, ids and peers at init.
---@param module table
function core.set_module(module) end

--- Has every reply to a client looked at before it leaves; a complaint is logged and answered with crash (13) instead.
---@param fn fun(request_type: string, request: vortex.Body, reply: vortex.Body): string?
function core.set_check(fn) end

--- Declares a Raft group; vortex.raft has looked at the options.
---@param options vortex.Raft.Options
---@return vortex.Raft
function core.raft_open(options) end

return core
