# shellcheck shell=bash
# The versions of what is built from Go modules; Debian's packages come in whichever version the machine's release has.

kubernetes=v1.34.4
etcd=v3.6.16
flannel=v0.28.4
coredns=v1.14.6
# one of flannel's dependencies is not published at the version it asks for; an older one serves
flannel_replace='github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common => github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common v1.1.50'
