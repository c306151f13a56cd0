// The least that a Maelstrom echo node in Node.js has to do, for comparison.
const lines = require("readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const request = JSON.parse(line);
  const type = request.body.type === "init" ? "init_ok" : "echo_ok";
  const body = { type, echo: request.body.echo, in_reply_to: request.body.msg_id };
  process.stdout.write(JSON.stringify({ src: request.dest, dest: request.src, body }) + "\n");
});
