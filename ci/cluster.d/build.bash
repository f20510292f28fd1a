# shellcheck shell=bash
# Builds the cluster's programs from Go modules, once for each set of versions, into the user's cache. What images the
# cluster serves is written beside them by images.bash.

# Sets $programs: the folder with the programs, whole or not there at all. Its name has a sum of what decides its
# content, so that another version, or another recipe, never meets an older build.
find_programs() {
  local cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set, nor XDG_CACHE_HOME: where may built programs be kept?}/.cache}/kubeproof sum
  sum=$(cat "$here"/{versions,build,images}.bash | sha256sum | cut -c1-12)
  programs=$cache/cluster-$sum-$(uname -m)
}

need_programs() {
  find_programs
  [ -d "$programs" ] && return
  command -v go >/dev/null || fail 'needs Go (1.24 or newer) to build Kubernetes, and finds no "go" in PATH'
  mkdir -p "${programs%/*}"
  # two commands that both find nothing must not build side by side
  exec 8>>"${programs%/*}/cluster-build.lock"
  flock --nonblock 8 || { say 'another ci/cluster builds the programs; waiting for it' && flock 8; }
  [ -d "$programs" ] || build_programs
  exec 8>&-
}

# Everything is built in a folder beside the final one, which takes its name when it is whole.
build_programs() {
  local partial=$programs.partial since=$SECONDS
  rm -rf "$partial"
  mkdir -p "$partial"
  step=0
  say "building the cluster's programs from Go modules, once for these versions (about 10 minutes on 2 cores)"
  say "they will be kept in $programs"
  # Kubernetes replaces its staging modules by folders of its own tree; outside that tree they need their published versions
  local module_file staging minor=${kubernetes#v1.}
  module_file=$(with_retries go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  staging=$(sed -nE "s#^[[:space:]]+(k8s.io/[a-z-]+) => ./staging.*#replace \1 => \1 v0${kubernetes#v1}#p" "$module_file")
  local version=k8s.io/component-base/version
  build_module k8s.io/kubernetes "$kubernetes" "$staging" \
    "-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" \
    cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler cmd/kubelet cmd/kube-proxy cmd/kubectl
  build_module go.etcd.io/etcd/server/v3 "$etcd" '' '' .
  # flannel's backend for UDP is written with cgo, and the program does not build without it
  CGO_ENABLED=1 build_module github.com/flannel-io/flannel "$flannel" "replace $flannel_replace" '' .
  build_module github.com/coredns/coredns "$coredns" '' '' .
  make_images "$partial"
  mv "$partial" "$programs"
  say "built in $((SECONDS - since)) s"
}

steps=9
# A module of its own, thrown away afterwards, pins what is built: "go install" takes no module with replacements.
build_module() { # MODULE VERSION REPLACEMENTS LINKER-FLAGS PACKAGE…
  local module=$1 version=$2 replacements=$3 flags=$4 work=$partial/module package program began
  shift 4
  mkdir "$work"
  printf 'module example.invalid/programs\ngo 1.24.0\nrequire %s %s\n%s\n' "$module" "$version" "$replacements" >"$work/go.mod"
  {
    printf '//go:build tools\npackage tools\nimport (\n'
    for package in "$@"; do printf '_ "%s"\n' "$(package_path "$module" "$package")"; done
    printf ')\n'
  } >"$work/tools.go"
  (cd "$work" && GOWORK=off GOFLAGS="${GOFLAGS:-} -mod=mod" with_retries go mod tidy)
  for package in "$@"; do
    package=$(package_path "$module" "$package")
    program=$(program_name "$package")
    step=$((step + 1)) began=$SECONDS
    say "$step of $steps: $program $version …"
    (cd "$work" && GOWORK=off GOFLAGS="${GOFLAGS:-} -mod=mod" CGO_ENABLED=${CGO_ENABLED:-0} \
      go build -trimpath -buildvcs=false -ldflags "-s -w $flags" -o "$partial/$program" "$package") ||
      fail "could not build $program; what Go says stands above"
    say "$step of $steps: $program $version, $((SECONDS - began)) s"
  done
  rm -rf "$work"
}

package_path() { [ "$2" = . ] && echo "$1" || echo "$1/$2"; }

program_name() { # PACKAGE
  case $1 in
    go.etcd.io/etcd/*) echo etcd ;;
    */flannel) echo flanneld ;;
    *) echo "${1##*/}" ;;
  esac
}

# Downloads fail now and then. What Go says is kept until the last attempt, which shows it: it names each module it fetches.
with_retries() {
  local attempt errors
  errors=$(mktemp)
  for attempt in 1 2 3 4 5; do
    if "$@" 2>"$errors"; then
      rm -f "$errors"
      return
    fi
    ((attempt == 5)) || { say "\"$*\" failed: $(tail -n 1 "$errors"); trying again" && sleep $((attempt * 3)); }
  done
  tail -n 40 "$errors" >&2
  rm -f "$errors"
  fail "this failed $attempt times: $*"
}
