#!/usr/bin/env bash
# Installs what Debian has of the things that building, checking and testing need. Quick when all of it is there.
# usage: install-debian.sh build | test
set -euo pipefail

# Python is what the quickstart's programs are written in.
build=(g++ make cmake ninja-build musl-tools linux-libc-dev python3)
# gcc and clang for test programs, sanitizers, fuzzing and lint; the rest are peers and the virtual machine.
checks=(gcc clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev doctest-dev)
sandboxes=(busybox-static libseccomp-dev procps util-linux bubblewrap crun)
machine=(qemu-system-x86 e2fsprogs kmod xz-utils iproute2)
images=(docker-registry skopeo umoci podman docker.io erofs-utils mmdebstrap openssl apache2-utils zstd attr libarchive-tools)

case ${1:-} in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${checks[@]}" "${sandboxes[@]}" "${machine[@]}" "${images[@]}") ;;
  *) echo "usage: $0 build | test" >&2; exit 2 ;;
esac

command -v dpkg-query > /dev/null || { echo "not Debian: install the equals of: ${wanted[*]}" >&2; exit 0; }
installed=$(dpkg-query -Wf '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(sort -u <<< "$installed"))
[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $(id -u) -ne 0 ]]; then
  echo "missing packages, install them as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "installing from Debian: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Nothing that comes along may start a service here: the tests start what they need, where they need it.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$log" "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -qq -o DPkg::Lock::Timeout=900 "$@" < /dev/null > "$log" 2>&1; }
# apt-get waits for the lock of dpkg, not for that of the package lists.
update() {
  local try
  for try in {1..90}; do
    if apt update; then return 0; fi
    grep -q 'Could not get lock' "$log" || return 1
    sleep "$((try < 10 ? 1 : 10))"
  done
  return 1
}
# Old lists may do: a repository that has nothing of these can be out of reach.
update || true
if ! apt install -y --no-install-recommends "${missing[@]}"; then
  tail -n 20 "$log" >&2
  exit 1
fi
