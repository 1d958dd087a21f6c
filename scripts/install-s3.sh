#!/bin/sh
# Installs the S3 server that the tests run against (Ceph's gateway, from Debian's own packages) where it is missing.
# Where it cannot, it says why and is content: the S3 suites then skip themselves with the reason.
set -u

PROGRAMS='ceph ceph-authtool ceph-mon ceph-osd monmaptool radosgw radosgw-admin'
PACKAGES='radosgw ceph-mon ceph-osd ceph-common'

missing() {
  for program in $PROGRAMS; do
    command -v "$program" > /dev/null 2>&1 || echo "$program"
  done
}

without() {
  echo "The S3 suites will be skipped: $1." >&2
  exit 0
}

[ -z "$(missing)" ] && exit 0
command -v apt-get > /dev/null 2>&1 || without 'there is no apt-get to install radosgw, ceph-mon and ceph-osd with'
[ "$(id -u)" -eq 0 ] || without "radosgw, ceph-mon and ceph-osd are missing, and only root can install them (sudo $0)"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  # shellcheck disable=SC2086 # one word per package
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $PACKAGES > "$log" 2>&1
}

echo "Installing the S3 server for the tests: $PACKAGES" >&2
install || { apt-get update > "$log" 2>&1 && install; } || without "apt-get failed: $(tail -n 1 "$log")"
[ -z "$(missing)" ] || without "these are still missing: $(missing | tr '\n' ' ')"
