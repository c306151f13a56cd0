# Talk to a node line by line, in bash: . docs/tutorial/by-hand.sh
#
#   start IDS SCRIPT    starts SCRIPT as the first of the nodes IDS ("n0,n1,n2") and sends it its init
#   say SRC MEMBERS     sends it a message from SRC; MEMBERS is the body without its braces
#   hear                prints the next line that it sends
#   answer MEMBERS      answers that line, in the name of whoever it was sent to
#   finish              ends its input, prints what it still sends, and waits for its end
#
# The node waits ten minutes for replies, and answers however late it is: a person types slowly.
start() {
  node_id=${1%%,*}
  coproc NODE { vortex-lua --rpc-timeout 600 --late-reply 0 "$2"; }
  node_in=${NODE[1]}
  node_out=${NODE[0]}
  node_pid=$!
  say c0 "\"type\":\"init\",\"node_id\":\"$node_id\",\"node_ids\":[\"${1//,/\",\"}\"],\"msg_id\":0"
  hear
}

say() {
  printf '{"src":"%s","dest":"%s","body":{%s}}\n' "$1" "$node_id" "$2" >&"$node_in"
}

hear() {
  IFS= read -r -t 5 heard <&"$node_out" && printf '%s\n' "$heard"
}

answer() {
  if [[ $heard =~ \"dest\":\"([^\"]*)\".*\"msg_id\":([0-9]+)\}\}$ ]]; then
    say "${BASH_REMATCH[1]}" "$1,\"in_reply_to\":${BASH_REMATCH[2]}"
  else
    echo "the line last heard wants no answer" >&2
  fi
}

finish() {
  exec {node_rest}<&"$node_out" {node_in}>&-
  cat <&"$node_rest"
  wait "$node_pid"
}
