# shellcheck shell=bash
# Taking the cluster down, whatever is left of it: it trusts no file of the state, only names and marks that are ours.

down() {
  [ $# = 0 ] || misuse "down takes no argument: $1"
  need_linux_and_root
  take_lock
  clean
  rm -f "$lock"
}

clean() {
  local namespace
  end_all cluster_pids
  for namespace in $(our_namespaces); do ip netns del "$namespace"; done
  ip link del "$host_link" 2>/dev/null || true
  # deepest first; lazily, as a shell of a developer may stand in one
  awk -v state="$state" '$2 == state || index($2, state "/") == 1 {print $2}' /proc/mounts | tac | xargs -r umount -l
  remove_cgroups
  rm -rf --one-file-system "$state"
}

our_namespaces() { find /run/netns -maxdepth 1 -regextype posix-extended -regex '.*/kubeproof-(control|node[0-9]+)' -printf '%f\n' 2>/dev/null; }

# What we started and its children carry the mark; a container does not, but ends with its node's first process, which
# does. Whatever else runs in a node's network (a "ci/cluster on" in the background) would keep it from going.
cluster_pids() {
  local namespace
  grep -lzsE "^$mark=" /proc/[0-9]*/environ | cut -d/ -f3 | grep -vx $$
  for namespace in $(our_namespaces); do ip netns pids "$namespace" 2>/dev/null | grep -vx $$; done
}

# Containers that no kubelet sorts into cgroups of its own (see cgroupsPerQOS) are in "k8s.io", where containerd puts them.
# Only what is empty can be removed, so nobody else's container there is touched.
remove_cgroups() {
  local attempt left
  for ((attempt = 0; attempt < 20; attempt++)); do
    # /sys/fs/cgroup is the hierarchy (version 2), or holds one for each controller (version 1)
    mapfile -t left < <(find /sys/fs/cgroup -maxdepth 2 -type d -name k8s.io 2>/dev/null)
    [ ${#left[@]} = 0 ] && return
    # a cgroup is busy until the kernel has buried the last of its processes
    find "${left[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
  done
}
