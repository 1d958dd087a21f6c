#!/bin/sh
# Installs the browser that the tests drive (Debian's own Chromium) where it is missing.
# Where it cannot, it says why and is content: the browser suite then skips itself with the reason.
set -u

without() {
  echo "The browser suite will be skipped: $1." >&2
  exit 0
}

command -v chromium > /dev/null 2>&1 && exit 0
command -v apt-get > /dev/null 2>&1 || without 'there is no apt-get to install chromium with'
[ "$(id -u)" -eq 0 ] || without "chromium is missing, and only root can install it (sudo $0)"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium > "$log" 2>&1
}

echo 'Installing the browser for the tests: chromium' >&2
install || { apt-get update > "$log" 2>&1 && install; } || without "apt-get failed: $(tail -n 1 "$log")"
command -v chromium > /dev/null 2>&1 || without 'it is still missing'
