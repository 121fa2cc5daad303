#!/usr/bin/env bash
# Installs what Debian has of the things that building, checking and testing need. Quick when all of it is there.
# usage: install-debian.sh build | test
set -euo pipefail

build=(g++ make cmake ninja-build musl-tools linux-libc-dev)
# gcc and clang for test programs, sanitizers, fuzzing and lint; the rest are peers and the virtual machine.
checks=(gcc clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev doctest-dev)
sandboxes=(python3 busybox-static libseccomp-dev procps util-linux bubblewrap crun)
machine=(qemu-system-x86 e2fsprogs kmod xz-utils iproute2)
images=(docker-registry skopeo umoci podman erofs-utils mmdebstrap openssl apache2-utils zstd attr)

case ${1:-} in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${checks[@]}" "${sandboxes[@]}" "${machine[@]}" "${images[@]}") ;;
  *) echo "usage: $0 build | test" >&2; exit 2 ;;
esac

is_installed() { [[ $(dpkg-query -Wf '${Status}' "$1" 2> /dev/null) == 'install ok installed' ]]; }

missing=()
command -v dpkg-query > /dev/null || { echo "not Debian: install the equals of: ${wanted[*]}" >&2; exit 0; }
for package in "${wanted[@]}"; do is_installed "$package" || missing+=("$package"); done
[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $(id -u) -ne 0 ]]; then
  echo "missing packages, install them as root: apt-get install ${missing[*]}" >&2
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
apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
  tail -n 20 "$log" >&2
  exit 1
fi
