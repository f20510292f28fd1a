# shellcheck shell=bash
# Booting the cluster. Everything is started as early as what it needs is there, and waited for as late as possible;
# while anything is waited for, a program that dies is told at once (await).

up() {
  local count=3 families=ipv4
  while [ $# -gt 0 ]; do
    case $1 in
      --nodes) count=${2:-} && shift "$(($# < 2 ? 0 : 1))" ;;
      --nodes=*) count=${1#*=} ;;
      --dual-stack) families=dual-stack ;;
      *) misuse "up: unknown argument: $1" ;;
    esac
    shift
  done
  { [[ $count =~ ^[1-9][0-9]?$ ]] && ((count <= 50)); } || misuse "up: --nodes takes a number from 1 to 50, not: $count"
  need_linux_and_root
  install_packages
  need_programs
  take_lock
  if ! is_up_already "$count" $families; then
    local since=$SECONDS
    clean
    boot "$count" $families
    say "$count nodes are ready after $((SECONDS - since)) s"
  fi
  proxy_hint
  echo "$state/admin.kubeconfig"
}

is_up_already() { # NODES FAMILIES
  local there=ipv4
  [ -e "$state" ] || return 1
  ! is_dual_stack || there=dual-stack
  if [ $there != "$2" ] || [ "$(cat "$state/nodes" 2>/dev/null)" != "$1" ] || [ "$(cat "$state/programs" 2>/dev/null)" != "$programs" ]; then
    say 'what is there is no cluster of this size and version, or is half a one; booting anew'
    return 1
  fi
  if ! { all_run && apiserver_is_ready && kc_wait 5s; } >/dev/null 2>&1; then
    say 'the cluster is there, but not healthy; booting anew'
    return 1
  fi
  remove_drops
  say "already up with $1 nodes"
}

all_run() {
  local part node
  for part in "${control_parts[@]}"; do is_running "$part" || return 1; done
  for node in $(nodes); do
    for part in init "${node_parts[@]}"; do is_running "$node-$part" || return 1; done
  done
}

boot() { # NODES FAMILIES
  local all node
  mapfile -t all < <(seq -f 'node%.0f' "$1")
  load_kernel_modules
  umask 022
  mkdir -p "$state/log"
  chmod 700 "$state"
  echo "$programs" >"$state/programs"
  [ "$2" = ipv4 ] || : >"$state/dual-stack"
  create_network
  start_etcd
  control_plane_certificates
  write_kubeconfig admin "$state/admin.kubeconfig"
  start_apiserver
  registry_files
  start_registry
  for node in "${all[@]}"; do create_node "$node"; done
  control_plane_users
  for node in "${all[@]}"; do
    node_certificate "$node"
    await 20 "$node to have its namespaces" "explain_boot" node_has_init "$node"
    start_containerd "$node"
  done
  await 60 'the API server to answer' explain_control_plane apiserver_is_ready
  { cat "$here/manifests/system.yaml" && for node in "${all[@]}"; do node_manifest "$node"; done; } >"$state/system.yaml"
  quietly kc create --validate=false -f "$state/system.yaml"
  start_controller-manager
  start_scheduler
  for node in "${all[@]}"; do
    await 30 "containerd of $node to listen" explain_boot node_has_containerd "$node"
    start_flannel "$node"
    start_kubelet "$node"
    start_proxy "$node"
  done
  for node in "${all[@]}"; do
    await 60 "flanneld of $node to reach the other nodes" explain_boot node_has_overlay "$node" "$1"
    write_pod_network "$node"
  done
  await_all_ready
  # last: the mark of a cluster that is whole
  echo "$1" >"$state/nodes"
}

# Which node it is, is known from the loop that waits.
explain_boot() { explain_node "$node"; }

await_all_ready() {
  await 90 'all nodes and the cluster DNS to be ready' explain_unready_nodes kc_wait 1s
}

kc_wait() { # TIMEOUT
  kc wait --for=condition=Ready node --all --timeout="$1" &&
    kc -n kube-system wait --for=condition=Available deployment/coredns --timeout="$1" &&
    kc -n default get serviceaccount default
}

proxy_hint() {
  [ -z "${HTTPS_PROXY:-${https_proxy:-}}" ] || [[ ${NO_PROXY:-${no_proxy:-}} == *$network* ]] ||
    say "HTTPS_PROXY is set: clients reach the cluster only where NO_PROXY names $network.1"
}
