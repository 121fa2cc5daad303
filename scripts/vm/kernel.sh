#!/usr/bin/env bash
# Fetches a Debian kernel and unpacks it: nothing is installed, no boot loader and no initramfs of this machine is touched.
# usage: kernel.sh CACHE PACKAGE     prints the kernel's version; its files are in CACHE/kernel-VERSION then
set -euo pipefail

cache=$1
package=$2

newest() { apt-cache depends "$package" 2> /dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
# The package without a version depends on the newest one with: linux-image-amd64 on linux-image-6.1.0-56-amd64.
if [[ $package != linux-image-[0-9]*.*.* ]]; then
  found=$(newest)
  if [[ -z $found ]]; then
    apt-get -qq update < /dev/null >&2
    found=$(newest)
  fi
  package=$found
fi
[[ -n $package ]] || { echo "kernel.sh: Debian has no package $2 here" >&2; exit 1; }
version=${package#linux-image-}
target=$cache/kernel-$version

if [[ ! -d $target ]]; then
  draft=$(mktemp -d "$cache/kernel-draft-XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  download() { (cd "$draft" && apt-get -qq -o APT::Sandbox::User=root download "$package" < /dev/null >&2); }
  download || { apt-get -qq update < /dev/null >&2 && download; }
  mkdir -p "$draft/tree/usr"
  # Without the drivers of hardware that a virtual machine has not: most of the package.
  dpkg-deb --fsys-tarfile "$draft"/*.deb | tar -x -C "$draft/tree" --exclude='*/share/doc' --exclude='*/kernel/sound' \
    --exclude='*/drivers/gpu' --exclude='*/drivers/media' --exclude='*/drivers/net/ethernet' --exclude='*/drivers/net/wireless' \
    --exclude='*/drivers/infiniband' --exclude='*/drivers/scsi' --exclude='*/drivers/iio' --exclude='*/drivers/usb' \
    --exclude='*/drivers/staging' --exclude='*/drivers/input' --exclude='*/drivers/hwmon'
  depmod -b "$draft/tree" "$version"
  mv -T "$draft/tree" "$target" 2> /dev/null || [[ -d $target ]]
fi
printf '%s\n' "$version"
