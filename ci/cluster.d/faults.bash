# shellcheck shell=bash
# Breaking the cluster on purpose, and mending it. A network fault is a rule in nftables tables of our own in a node's
# namespace, ahead of connection tracking, so that it hits established connections as well and healing is to delete
# the tables. A stopped program is started again by the function that started it at boot.

fault() { # KIND ARGUMENTS…
  local kind=${1:-}
  [ $# = 0 ] || shift
  case $kind in
    block-udp | block-tcp | mtu | one-way | block-pods | stop-kubelet | kill-apiserver | start-apiserver) ;;
    '') misuse 'fault: which one?' ;;
    *) misuse "fault: no such fault: $kind" ;;
  esac
  need_linux_and_root
  need_cluster
  take_lock
  programs=$(<"$state/programs")
  "fault_$kind" "$@"
}

fault_block-udp() { # NODE PORT [--ipv6]
  local family=()
  [ "${3:-}" != --ipv6 ] || { family=(ip6 nexthdr udp) && set -- "$1" "$2"; }
  expect_arguments block-udp 'NODE PORT [--ipv6]' 2 "$@"
  a_node "$1" && a_number "$2"
  drop "$1" "${family[@]}" udp dport "$2"
}

fault_block-tcp() { # NODE PORT [--from-apiserver]
  local allowed="$network.1, $network.254"
  [ "${3:-}" != --from-apiserver ] || { allowed=$network.254 && set -- "$1" "$2"; }
  expect_arguments block-tcp 'NODE PORT [--from-apiserver]' 2 "$@"
  a_node "$1" && a_number "$2"
  drop "$1" iifname eth0 ip saddr "$network.0/24" ip saddr '!=' "{ $allowed }" tcp dport "$2"
}

fault_mtu() { # NODE BYTES
  expect_arguments mtu 'NODE BYTES' 2 "$@"
  a_node "$1" && a_number "$2"
  drop "$1" udp dport 8472 ip length \> "$2"
}

fault_one-way() { # FROM TO
  expect_arguments one-way 'FROM TO' 2 "$@"
  a_node "$1" && a_node "$2"
  drop "$2" iifname eth0 ip saddr "$(node_address "$1")" udp dport 8472
}

# On every node: which ones the pods are on need not be known. Frames that a node's bridge passes between two pods of
# its own are seen by the bridge table.
fault_block-pods() { # IP IP
  local node
  expect_arguments block-pods 'IP IP' 2 "$@"
  a_pod_address "$1" && a_pod_address "$2"
  for node in $(nodes); do
    drop "$node" ip saddr "$1" ip daddr "$2"
    drop "$node" ip saddr "$2" ip daddr "$1"
  done
}

fault_stop-kubelet() { # NODE
  expect_arguments stop-kubelet NODE 1 "$@"
  a_node "$1"
  end_all pids_of "$1-kubelet"
}

fault_kill-apiserver() {
  expect_arguments kill-apiserver '' 0 "$@"
  end_all pids_of apiserver
}

fault_start-apiserver() {
  expect_arguments start-apiserver '' 0 "$@"
  is_running apiserver || start_apiserver
  await 60 'the API server to answer' explain_control_plane apiserver_is_ready
}

# Packets on their way into the node and out of it, before and after any translation of addresses, and bridged frames.
drop() { # NODE MATCH…
  local node=$1
  shift
  nft_in "$node" -f - <<NFT
table inet kubeproof {
  chain arriving { type filter hook prerouting priority -400; }
  chain passing { type filter hook forward priority -400; }
  chain leaving { type filter hook output priority -400; }
}
table bridge kubeproof {
  chain arriving { type filter hook prerouting priority -400; }
}
add rule inet kubeproof arriving $* counter drop
add rule inet kubeproof passing $* counter drop
add rule inet kubeproof leaving $* counter drop
add rule bridge kubeproof arriving $* counter drop
NFT
}

nft_in() { # NODE ARGUMENTS…
  local node=$1
  shift
  nsenter --net="/run/netns/$(node_namespace "$node")" nft "$@"
}

heal() {
  [ $# = 0 ] || misuse "heal takes no argument: $1"
  need_linux_and_root
  need_cluster
  take_lock
  programs=$(<"$state/programs")
  remove_drops
  start_missing
  await_all_ready
}

remove_drops() {
  local node family
  for node in $(nodes); do
    # declaring a table makes sure that there is one to delete
    for family in inet bridge; do printf 'table %s kubeproof\ndelete table %s kubeproof\n' $family $family; done | nft_in "$node" -f -
  done
}

start_missing() {
  local part node
  for part in "${control_parts[@]}"; do
    is_running "$part" || "start_$part"
  done
  await 60 'the API server to answer' explain_control_plane apiserver_is_ready
  for node in $(nodes); do
    is_running "$node-init" || fail "$node is gone as a whole; boot the cluster anew with: ci/cluster up"
    for part in "${node_parts[@]}"; do
      is_running "$node-$part" || "start_$part" "$node"
    done
    # a node that lost its kubelet just now is still called Ready
    await 30 "the kubelet of $node to listen" explain_boot kubelet_listens "$node"
  done
}

nodes() { seq -f 'node%.0f' "$(<"$state/nodes")"; }

expect_arguments() { # FAULT SYNOPSIS COUNT ARGUMENTS…
  [ $(($# - 3)) = "$3" ] || misuse "usage: ci/cluster fault $1 $2"
}
a_node() { nodes | grep -qx -- "$1" || misuse "no such node: $1 (there are: $(nodes | xargs))"; }
a_number() { { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 > 0 && 10#$1 < 65536)); } || misuse "not a number from 1 to 65535: $1"; }
a_pod_address() { [[ $1 =~ ^10\.42(\.[0-9]{1,3}){2}$ ]] || misuse "not the address of a pod (10.42.x.y): $1"; }

on_node() { # NODE COMMAND…
  [ $# -ge 2 ] || misuse 'usage: ci/cluster on NODE COMMAND…'
  need_linux_and_root
  need_cluster
  [ "$1" = control ] || a_node "$1"
  local namespace
  namespace=$(node_namespace "$1")
  shift
  exec nsenter --net="/run/netns/$namespace" "$@"
}
