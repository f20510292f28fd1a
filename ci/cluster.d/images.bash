# shellcheck shell=bash
# The images that the cluster's own registry serves: busybox, pause and CoreDNS, written straight into the layout that
# the registry keeps on disk, so that a boot needs no push. They are made of Debian's static busybox and our own CoreDNS.

make_images() { # FOLDER: of the programs; fills FOLDER/registry
  local work=$1/images registry=$1/registry/docker/registry/v2 architecture
  architecture=$(go env GOARCH)
  mkdir -p "$work"/busybox/{bin,tmp,etc,proc,sys,dev,root,home,var} "$work"/coredns
  cp "$(static_busybox)" "$work/busybox/bin/busybox"
  busybox --list | grep -vx busybox | xargs -I{} ln -sf busybox "$work/busybox/bin/{}"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$work/busybox/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\n' >"$work/busybox/etc/group"
  chmod 1777 "$work/busybox/tmp"
  mv "$1/coredns" "$work/coredns/"
  image library/busybox 1.28 busybox '["sh"]'
  image library/pause local busybox '["/bin/sleep","2147483647"]'
  image library/coredns local coredns '["/coredns"]'
  rm -rf "$work"
}

image() { # REPOSITORY TAG FOLDER COMMAND-JSON: one layer, not compressed, since it never travels far
  local repository=$registry/repositories/$1 layer config manifest digest
  tar -C "$work/$3" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer" .
  layer=$(blob "$work/layer")
  local layer_size config_size
  layer_size=$(stat -c %s "$work/layer")
  printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":%s},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
    "$architecture" "$4" "$layer" >"$work/config"
  config=$(blob "$work/config")
  config_size=$(stat -c %s "$work/config")
  local type=application/vnd.oci.image
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"%s.layer.v1.tar","digest":"%s","size":%s}]}' \
    $type $type "$config" "$config_size" $type "$layer" "$layer_size" >"$work/manifest"
  manifest=$(blob "$work/manifest")
  for digest in "$layer" "$config"; do link "$repository/_layers" "$digest"; done
  link "$repository/_manifests/revisions" "$manifest"
  link "$repository/_manifests/tags/$2/index" "$manifest"
  mkdir "$repository/_manifests/tags/$2/current"
  printf %s "$manifest" >"$repository/_manifests/tags/$2/current/link"
}

blob() { # FILE: stored by its content; prints its digest
  local sum
  sum=$(sha256sum <"$1" | cut -d' ' -f1)
  mkdir -p "$registry/blobs/sha256/${sum:0:2}/$sum"
  cp "$1" "$registry/blobs/sha256/${sum:0:2}/$sum/data"
  echo "sha256:$sum"
}

link() { # FOLDER DIGEST: how the registry says that a repository has a blob
  mkdir -p "$1/sha256/${2#sha256:}"
  printf %s "$2" >"$1/sha256/${2#sha256:}/link"
}
