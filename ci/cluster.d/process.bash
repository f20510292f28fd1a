# shellcheck shell=bash
# The cluster's processes: starting them so that they outlive this script and hold nothing of its caller, finding them
# again, ending them, and waiting for what they do. Which ones there are is up to control-plane.bash and node.bash.

# Every process that we start carries this variable, and so do its children: it is how a later command, also one from
# another checkout, finds exactly ours, whatever became of files with process ids.
mark=KUBEPROOF_CLUSTER_PART
declare -A started=() # name → pid, of what this very script started

# What must answer in time goes before a compiler that fills the machine, or nodes become NotReady under load.
urgent=(nice -n -5)

start() { # NAME COMMAND…: in the background, its output in a log of its own
  local name=$1
  shift
  (
    # a harness that waits for the end of a pipe must not wait for us: close whatever was inherited
    for descriptor in /proc/"$BASHPID"/fd/*; do
      descriptor=${descriptor##*/}
      ((descriptor <= 2 || descriptor == 255)) || eval "exec $descriptor>&-"
    done
    cd /
    # not through the user's proxy: it knows nothing of these addresses
    exec setsid env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy "$mark=$name" "$@"
  ) </dev/null >>"$state/log/$name.log" 2>&1 &
  started[$name]=$!
}

pids_of() { grep -lzsx "$mark=$1" /proc/[0-9]*/environ | cut -d/ -f3; }
is_running() { [ -n "$(pids_of "$1")" ]; }

# Ends what COMMAND… lists, one pid a line, until it lists nothing: a process may fork while we kill.
end_all() {
  local pids attempt ended=()
  for ((attempt = 0; attempt < 100; attempt++)); do
    mapfile -t pids < <("$@")
    [ ${#pids[@]} = 0 ] && break
    kill -KILL "${pids[@]}" 2>/dev/null || true
    ended+=("${pids[@]}")
    sleep 0.1
  done
  [ ${#pids[@]} = 0 ] || fail "these processes do not end: ${pids[*]}"
  [ ${#ended[@]} -gt 0 ] || return 0
  # some machines' first process takes its time to bury the dead
  for ((attempt = 0; attempt < 20; attempt++)); do
    [ -n "$(find "${ended[@]/#//proc/}" -maxdepth 0 2>/dev/null)" ] || return 0
    sleep 0.1
  done
}

show_log() { # NAME: the end of its log
  echo "--- the end of $state/log/$1.log" >&2
  tail -n 15 "$state/log/$1.log" >&2 || true
}

check_started() {
  local name
  for name in "${!started[@]}"; do
    kill -0 "${started[$name]}" 2>/dev/null && continue
    show_log "$name"
    fail "$name ended by itself; its log ends as shown above"
  done
}

# Waits until COMMAND… succeeds. A process of ours that dies meanwhile is told at once, and after SECONDS it is told
# what EXPLAIN (a function) has to say.
await() { # SECONDS WHAT EXPLAIN COMMAND…
  local limit=$((SECONDS + $1)) bound=$1 what=$2 explain=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    check_started
    if ((SECONDS >= limit)); then
      "$explain"
      fail "gave up after $bound s: $what"
    fi
    sleep 0.1
  done
}
