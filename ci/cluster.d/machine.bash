# shellcheck shell=bash
# What the machine must have (Linux, root, Debian packages), the lock that keeps two commands apart, and how this
# script talks to people. Go is asked for in build.bash, since a machine with the programs built does without.

say() { echo "cluster: $*" >&2; }
fail() { say "$@" && exit 1; }
misuse() { say "$@" && echo 'see ci/cluster --help' >&2 && exit 2; }

# A command's output is worth reading only where it failed.
quietly() {
  local output
  output=$("$@" 2>&1 </dev/null) && return
  printf '%s\n' "$output" >&2
  fail "this failed: $*"
}

need_linux_and_root() {
  [ "$(uname -s)" = Linux ] || fail "needs Linux; this is $(uname -s)"
  [ "$(id -u)" = 0 ] || fail 'needs root: it makes network namespaces, mounts and containers'
}

need_cluster() {
  [ -f "$state/nodes" ] || fail 'there is no cluster; boot one with: ci/cluster up'
}

# A file that only the package brings, and the package. Files are looked for, not packages, so that the containerd of
# another vendor serves as well and is not pushed out by Debian's.
package_files='
containerd containerd
runc runc
/usr/lib/cni/bridge containernetworking-plugins
iptables iptables
nft nftables
ip iproute2
conntrack conntrack
docker-registry docker-registry
openssl openssl
flock util-linux
cc gcc
'

missing_packages() {
  local file package
  while read -r file package; do
    [ -z "$file" ] || command -v "$file" >/dev/null || echo "$package"
  done <<<"$package_files"
  # flannel is compiled with cgo, which wants the C library's headers too
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  # the images hold nothing but busybox, so it must not ask for shared libraries
  static_busybox >/dev/null || echo busybox-static
}

static_busybox() {
  local file
  file=$(command -v busybox) && ! ldd "$file" >/dev/null 2>&1 && echo "$file"
}

install_packages() {
  local missing
  export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "needs these Debian packages, and there is no apt-get to install them: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
  quietly "${apt[@]}" update
  quietly "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} = 0 ] || fail "installed, and still not found: ${missing[*]}"
}

# Modules that a container or a bare kernel may not have loaded. Whether one is really missing shows where it is used:
# it may be built in, or loaded by the kernel itself.
load_kernel_modules() {
  command -v modprobe >/dev/null || return 0
  modprobe -a overlay vxlan br_netfilter nf_tables >/dev/null 2>&1 || true
}

# Holds the lock until this script ends. "down" removes the file, so the one we got must still be the one at that path.
take_lock() {
  while exec 9>>"$lock"; do
    if ! flock --nonblock 9; then
      say 'another ci/cluster is at work on this machine; waiting for it to end'
      flock --timeout 900 9 || fail 'it is still at work; gave up'
    fi
    [ /proc/self/fd/9 -ef "$lock" ] && return
  done
}
