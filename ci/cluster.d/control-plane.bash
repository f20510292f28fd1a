# shellcheck shell=bash
# The control plane: the network that joins everything, etcd, the API server, the controller manager, the scheduler and
# the image registry. Each program has a function that starts it, "start_NAME", for the boot and for heal.

network=10.89.0
network6=fd00:89: # of a dual-stack cluster
api=https://$network.1:6443
control=kubeproof-control # its network namespace, where the bridge is too: nothing meets the host's ports or firewall
host_link=kubeproof0
control_parts=(etcd apiserver controller-manager scheduler registry)

create_network() {
  local other
  other=$(ip -4 route show root $network.0/24)
  [ -z "$other" ] || fail "something on this machine uses the cluster's network $network.0/24 already: $other"
  ip netns add $control
  ip link add $host_link type veth peer name host netns $control
  ip addr add $network.254/24 dev $host_link
  ip link set $host_link up
  ip -n $control link set lo up
  # a bridge without an address of its own changes it as ports come, which others notice only much later
  ip -n $control link add lan address 02:00:0a:59:00:01 type bridge
  ip -n $control addr add $network.1/24 dev lan
  ! is_dual_stack || ip -n $control addr add $network6:1/64 dev lan nodad
  ip -n $control link set lan up
  ip -n $control link set host master lan up
}

start_in_control() { # NAME COMMAND…
  local name=$1
  shift
  start "$name" "${urgent[@]}" nsenter --net=/run/netns/$control "$@"
}

control_plane_certificates() {
  certificate_authority
  certificate apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:$network.1,IP:10.96.0.1"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  certificate admin /O=system:masters/CN=admin
}

control_plane_users() {
  local name
  for name in controller-manager scheduler; do
    certificate $name /CN=system:kube-$name
    write_kubeconfig $name "$state/$name.kubeconfig"
  done
  # the same on every node: what they may do does not depend on where they run
  certificate proxy /CN=system:kube-proxy
  write_kubeconfig proxy "$state/proxy.kubeconfig"
  certificate flannel /CN=flannel
  write_kubeconfig flannel "$state/flannel.kubeconfig"
}

is_dual_stack() { [ -e "$state/dual-stack" ]; }
# What comes after a setting of IPv4, where there is IPv6 too.
and_ipv6() { ! is_dual_stack || echo "$1"; } # TEXT

start_etcd() {
  start_in_control etcd "$programs/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn
}

start_apiserver() {
  start_in_control apiserver "$programs/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address=$network.1 --bind-address="$(is_dual_stack && echo :: || echo 0.0.0.0)" --secure-port=6443 --service-cluster-ip-range="10.96.0.0/16$(and_ipv6 ,fd00:96::/112)" --allow-privileged=true \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/service-accounts.key" \
    --service-account-signing-key-file="$pki/service-accounts.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key"
}

# A kubelet says every 2 s that it lives (node.bash), and after 12 s of silence its node is NotReady: tests need not wait
# Kubernetes' own 50 s, and six reports in a row must go missing, which a machine full of compilers does not bring about
# as long as these programs run before them ("urgent").
start_controller-manager() {
  start_in_control controller-manager "$programs/kube-controller-manager" --kubeconfig="$state/controller-manager.kubeconfig" \
    --leader-elect=false --use-service-account-credentials --service-account-private-key-file="$pki/service-accounts.key" \
    --root-ca-file="$pki/ca.crt" --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --flex-volume-plugin-dir="$state/volume-plugins" --allocate-node-cidrs=false --node-monitor-period=1s --node-monitor-grace-period=12s
}

start_scheduler() {
  start_in_control scheduler "$programs/kube-scheduler" --kubeconfig="$state/scheduler.kubeconfig" --leader-elect=false
}

start_registry() {
  start_in_control registry docker-registry serve "$state/registry.yaml"
}

registry_files() {
  mkdir "$state/registry"
  # a copy, so that a test may push images of its own
  cp -a "$programs/registry/." "$state/registry/"
  printf 'version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s:5000"}\n' \
    "$state/registry" $network.1 >"$state/registry.yaml"
}

# past the user's proxy, which knows nothing of these addresses
kc() { NO_PROXY='*' no_proxy='*' "$programs/kubectl" --kubeconfig "$state/admin.kubeconfig" "$@"; }
# a look at the port first: kubectl takes much longer to start than to be refused
apiserver_is_ready() { (: <"/dev/tcp/$network.1/6443") 2>/dev/null && kc get --raw /readyz --request-timeout=5s; }
explain_control_plane() {
  show_log etcd
  show_log apiserver
}
