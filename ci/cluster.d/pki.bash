# shellcheck shell=bash
# The cluster's certificate authority, what it signs, and the kubeconfigs made of that.

pki=$state/pki

certificate_authority() {
  mkdir -p "$pki"
  # of our own, since the distribution's would make each certificate an authority
  cat >"$pki/openssl.cnf" <<'CNF'
[req]
distinguished_name = name
[name]
[ca]
default_ca = local
[local]
default_md = sha256
rand_serial = yes
unique_subject = no
policy = anything
[anything]
organizationName = optional
commonName = supplied
CNF
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc)
  quietly openssl req -x509 -config "$pki/openssl.cnf" "${key[@]}" -days 3650 -subj /CN=kubeproof-local-ca \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout "$pki/ca.key" -out "$pki/ca.crt"
  quietly openssl ecparam -name prime256v1 -genkey -noout -out "$pki/service-accounts.key"
}

certificate() { # NAME SUBJECT [SAN]
  quietly openssl req -x509 -config "$pki/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 \
    -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -subj "$2" -addext "subjectAltName=${3:-DNS:local}" \
    -addext extendedKeyUsage=serverAuth,clientAuth -keyout "$pki/$1.key" -out "$pki/$1.crt"
}

# "openssl ca" is the one way to a certificate of the past that OpenSSL 3.0 has.
expired_certificate() { # NAME SUBJECT
  local work
  work=$(mktemp -d "$state/expired.XXXXXX")
  touch "$work/index.txt"
  quietly openssl req -new -config "$pki/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "$2" \
    -keyout "$pki/$1.key" -out "$work/request"
  { cat "$pki/openssl.cnf" && printf '[local]\ndatabase = %s/index.txt\nnew_certs_dir = %s\nx509_extensions = client\n[client]\nextendedKeyUsage = clientAuth\n' \
    "$work" "$work"; } >"$work/openssl.cnf"
  quietly openssl ca -batch -notext -preserveDN -config "$work/openssl.cnf" -cert "$pki/ca.crt" -keyfile "$pki/ca.key" \
    -startdate "$(date -u -d '2 days ago' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d '1 day ago' +%Y%m%d%H%M%SZ)" \
    -in "$work/request" -out "$pki/$1.crt"
  rm -rf "$work"
}

write_kubeconfig() { # CERTIFICATE FILE
  local name=kubeproof-local
  cat >"$2.new" <<YAML
apiVersion: v1
kind: Config
current-context: $name
contexts: [{name: $name, context: {cluster: $name, user: $name}}]
clusters: [{name: $name, cluster: {server: "$api", certificate-authority-data: $(base64 -w0 <"$pki/ca.crt")}}]
users: [{name: $name, user: {client-certificate-data: $(base64 -w0 <"$pki/$1.crt"), client-key-data: $(base64 -w0 <"$pki/$1.key")}}]
YAML
  mv "$2.new" "$2"
}

kubeconfig_path() { # the arguments of "kubeconfig"
  need_cluster
  local user='' groups='' expired='' sign=certificate
  while [ $# -gt 0 ]; do
    case $1 in
      --user) user=${2:-} ;;
      --group) groups+=/O=$(escaped "${2:-}") ;;
      --expired) expired=-expired sign=expired_certificate && set -- '' "$@" ;;
      *) misuse "kubeconfig: unknown argument: $1" ;;
    esac
    { [ $# -ge 2 ] && [ -n "$2" ]; } || misuse "kubeconfig: $1 needs a value"
    shift 2
  done
  if [ -z "$user" ]; then
    [ -z "$groups$expired" ] || misuse 'kubeconfig: --group and --expired need --user'
    echo "$state/admin.kubeconfig"
    return
  fi
  need_linux_and_root
  # a user's name may hold anything, a file's may not: what is readable of it, and a sum that tells it from others
  local subject file
  subject=$groups/CN=$(escaped "$user")
  file=user-${user//[^A-Za-z0-9._-]/_}-$(sha256sum <<<"$subject" | cut -c1-8)$expired
  mkdir -p "$state/users"
  "$sign" "$file" "$subject"
  write_kubeconfig "$file" "$state/users/$file.kubeconfig"
  echo "$state/users/$file.kubeconfig"
}

# What openssl's -subj takes for syntax.
# shellcheck disable=SC2001 # a set of characters, each kept
escaped() { sed 's#[/+\\=]#\\&#g' <<<"$1"; }
