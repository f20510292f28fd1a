# shellcheck shell=bash
# A node: its namespaces, and in them containerd, kubelet, flanneld and kube-proxy, each with a "start_NAME NODE" for the
# boot and for heal. Node I is "nodeI" to Kubernetes, kubeproof-nodeI to "ip netns", 10.89.0.(10+I) to the others, and its
# pods live in 10.42.I.0/24; in a dual-stack cluster it is fd00:89::(10+I) as well, and its pods live in fd00:42:0:I::/64.

node_parts=(containerd kubelet flannel proxy)

node_address() { echo "$network.$((10 + ${1#node}))"; }
node_address6() { echo "$network6:$((10 + ${1#node}))"; }
pod_network6() { echo "fd00:42:0:${1#node}::/64"; }
node_namespace() { echo "kubeproof-$1"; }

# The first process of a node's PID namespace: when it goes, the kernel ends everything in the node. It gives the node
# a /proc, a /run and a /var of its own, so that a kubelet finds its usual paths, none takes another's pods for orphans
# and clears their logs, and nothing is left on the host. The cluster's state and the programs stay in sight, the
# latter under a path of their own since the user's cache may lie in /var or /run.
# Its own variables: $1 is the node, $2 the state, $3 the programs.
# shellcheck disable=SC2016
node_init='
  set -e
  read -r pid _ </proc/self/stat
  home=$2/$1
  mkdir -p "$home"/var/{log,tmp} "$home"/var/lib/{kubelet,cni,containerd,programs} "$home$2"
  mount --bind "$3" "$home/var/lib/programs"
  mount --rbind "$2" "$home$2"
  mount --rbind "$home/var" /var
  mount -t tmpfs tmpfs /run
  mkdir -p /run/flannel /run/netns /run/lock
  mount -t proc proc /proc
  hostname "$1"
  echo 1 >/proc/sys/net/ipv4/ip_forward
  [ ! -e "$2/dual-stack" ] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
  echo "$pid" >"$home/init.new"
  mv "$home/init.new" "$home/init"
  # a shell that waits also reaps what is orphaned in the node
  while :; do sleep 3600; done'

create_node() { # NODE
  local node=$1 namespace
  namespace=$(node_namespace "$node")
  mkdir -p "$state/$node"/{cni,registries/_default}
  ip netns add "$namespace"
  ip -n "$control" link add "$node" type veth peer name eth0 netns "$namespace"
  ip -n "$control" link set "$node" master lan up
  ip -n "$namespace" addr add "$(node_address "$node")/24" dev eth0
  ! is_dual_stack || ip -n "$namespace" addr add "$(node_address6 "$node")/64" dev eth0 nodad
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" link set lo up
  ip -n "$namespace" route add default via "$network.1"
  # what the API server dials: pods, for webhooks and for "kubectl proxy" to a service
  ip -n "$control" route add "$(pod_network "$node")" via "$(node_address "$node")"
  [ "$node" != node1 ] || lead_to_control_plane "$node"
  start "$node-init" nsenter --net="/run/netns/$namespace" \
    unshare --mount --uts --pid --fork --kill-child --propagation private \
    bash -c "$node_init" "$node" "$node" "$state" "$programs"
}

# node1 has the control plane's role, and so its ports: what comes for them goes on to where the control plane runs. The
# API server's come from anywhere, those of the controller manager and the scheduler from the node itself alone.
lead_to_control_plane() { # NODE
  nsenter --net="/run/netns/$(node_namespace "$1")" bash -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet'
  nft_in "$1" -f - <<NFT
table ip control-plane {
  chain arriving { type nat hook prerouting priority dstnat; ip daddr $(node_address "$1") tcp dport 6443 dnat to $network.1; }
  chain leaving {
    type nat hook output priority -100
    ip daddr { 127.0.0.1, $(node_address "$1") } tcp dport { 6443, 10257, 10259 } dnat to $network.1
  }
  chain sending { type nat hook postrouting priority srcnat; ip daddr $network.1 tcp dport { 6443, 10257, 10259 } masquerade; }
}
NFT
  ! is_dual_stack || nft_in "$1" -f - <<NFT
table ip6 control-plane {
  chain arriving { type nat hook prerouting priority dstnat; ip6 daddr $(node_address6 "$1") tcp dport 6443 dnat to $network6:1; }
  chain leaving { type nat hook output priority -100; ip6 daddr $(node_address6 "$1") tcp dport 6443 dnat to $network6:1; }
  chain sending { type nat hook postrouting priority srcnat; ip6 daddr $network6:1 tcp dport 6443 masquerade; }
}
NFT
}

pod_network() { echo "10.42.${1#node}.0/24"; }
node_root() { echo "/proc/$(<"$state/$1/init")/root"; }

start_in_node() { # NODE PART COMMAND…
  local node=$1 part=$2
  shift 2
  start "$node-$part" nsenter --target "$(<"$state/$node/init")" --mount --uts --net --pid --wd=/ -- "$@"
}

start_containerd() { # NODE
  local home=$state/$1
  # every registry is ours, and nothing else is asked: an image that is not there is known at once. Both lines, since
  # containerd falls back to the image's own registry where only one of them names ours.
  printf 'server = "http://%s:5000"\n[host."http://%s:5000"]\n' "$network.1" "$network.1" >"$home/registries/_default/hosts.toml"
  # restrict_oom_score_adj: a host that withholds CAP_SYS_RESOURCE refuses the pause container's -998 otherwise
  cat >"$home/containerd.toml" <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:local"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$home/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$home/registries"
TOML
  # not urgent: pods would inherit it
  start_in_node "$1" containerd containerd --config "$home/containerd.toml"
}

node_certificate() { # NODE
  certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$(node_address "$1")"
  write_kubeconfig "$1" "$state/$1/kubeconfig"
}

start_kubelet() { # NODE
  local home=$state/$1
  echo "nameserver 10.96.0.10" >"$home/resolv.conf" # the machine's own servers are out of a pod's reach
  # cgroupsPerQOS off: several kubelets share one host, and none may take the cgroups of another's pods for orphans
  # nodeStatus…, nodeLease…: see the controller manager's grace period in control-plane.bash
  # maxPods: as many as a pod network has addresses, for what hundreds of killed runs leave
  # imageGC…, evictionHard: how full the developer's disk is must not matter
  cat >"$home/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/$1.crt
tlsPrivateKeyFile: $pki/$1.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
volumePluginDir: /var/lib/kubelet/volume-plugins
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
localStorageCapacityIsolation: false
resolvConf: $home/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 1m
nodeLeaseDurationSeconds: 8
maxPods: 250
serializeImagePulls: false
registryPullQPS: 0
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
YAML
  start_in_node "$1" kubelet "${urgent[@]}" /var/lib/programs/kubelet --config="$home/kubelet.yaml" \
    --kubeconfig="$home/kubeconfig" --hostname-override="$1" --node-ip="$(node_address "$1")$(and_ipv6 ",$(node_address6 "$1")")"
}

start_flannel() { # NODE
  printf '{"Network": "10.42.0.0/16", %s"Backend": {"Type": "vxlan"}}\n' \
    "$(and_ipv6 '"EnableIPv6": true, "IPv6Network": "fd00:42::/48", ')" >"$state/$1/flannel.json"
  start_in_node "$1" flannel env NODE_NAME="$1" "${urgent[@]}" /var/lib/programs/flanneld --kube-subnet-mgr \
    --kubeconfig-file="$state/flannel.kubeconfig" --iface=eth0 --ip-masq --net-config-path="$state/$1/flannel.json"
}

start_proxy() { # NODE
  start_in_node "$1" proxy "${urgent[@]}" /var/lib/programs/kube-proxy --kubeconfig="$state/proxy.kubeconfig" \
    --hostname-override="$1" --cluster-cidr="10.42.0.0/16$(and_ipv6 ,fd00:42::/48)" --proxy-mode=iptables --conntrack-max-per-core=0
}

node_has_init() { [ -s "$state/$1/init" ]; }
node_has_containerd() { [ -S "$(node_root "$1")/run/containerd/containerd.sock" ]; }
kubelet_listens() { (: <"/dev/tcp/$(node_address "$1")/10250") 2>/dev/null; }
# what flanneld writes last, and a route to each of the other nodes
node_has_overlay() { # NODE NODES
  [ -s "$(node_root "$1")/run/flannel/subnet.env" ] &&
    has_routes "$1" "$2" -4 flannel.1 && { ! is_dual_stack || has_routes "$1" "$2" -6 flannel-v6.1; }
}
has_routes() { # NODE NODES FAMILY DEVICE
  [ "$(ip -n "$(node_namespace "$1")" "$3" route show dev "$4" | grep -c via)" = $(($2 - 1)) ]
}

# Only now, so that a node is Ready only when its pods can reach others. Renamed within the folder: containerd looks at it
# again when a file there is renamed, and not when one comes from elsewhere.
write_pod_network() { # NODE
  local mtu folder=$state/$1/cni
  mtu=$(sed -n 's/^FLANNEL_MTU=//p' "$(node_root "$1")/run/flannel/subnet.env")
  cat >"$folder/new" <<JSON
{"cniVersion": "1.0.0", "name": "cbr0", "plugins": [
 {"type": "bridge", "bridge": "cni0", "mtu": $mtu, "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(pod_network "$1")"}]$(and_ipv6 ", [{\"subnet\": \"$(pod_network6 "$1")\"}]")],
            "routes": [{"dst": "0.0.0.0/0"}$(and_ipv6 ', {"dst": "::/0"}')]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  mv "$folder/new" "$folder/10-flannel.conflist"
}

# Made before the kubelets register, so that each node has its pod network from the start and flanneld need not wait. One
# annotation, which the kubelet would make as well, since flanneld crashes on a node that has none yet.
node_manifest() { # NODE
  local role=''
  [ "$1" = node1 ] && role='node-role.kubernetes.io/control-plane: ""'
  cat <<YAML
---
apiVersion: v1
kind: Node
metadata:
  name: $1
  labels: {$role}
  annotations: {volumes.kubernetes.io/controller-managed-attach-detach: "true"}
spec: {podCIDR: $(pod_network "$1"), podCIDRs: [$(pod_network "$1")$(and_ipv6 ", \"$(pod_network6 "$1")\"")]}
YAML
}

explain_node() { # NODE
  local part
  for part in init "${node_parts[@]}"; do
    [ ! -e "$state/log/$1-$part.log" ] || show_log "$1-$part"
  done
}

explain_unready_nodes() {
  local node
  kc get nodes --request-timeout=5s >&2 || true
  kc -n kube-system get pods -o wide --request-timeout=5s >&2 || true
  kc -n kube-system get events --request-timeout=5s 2>/dev/null | tail -n 10 >&2 || true
  for node in $(kc get nodes --no-headers --request-timeout=5s | awk '$2 != "Ready" {print $1}'); do explain_node "$node"; done
}
