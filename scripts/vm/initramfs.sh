#!/usr/bin/env bash
# Packs what gets the virtual machine from its kernel to the host's root: busybox, a handful of modules, and `init`.
# usage: initramfs.sh KERNEL VERSION OUTPUT
set -euo pipefail

kernel=$1
version=$2
output=$3
modules=(virtio_pci virtio_blk virtio_console virtio-rng 9pnet_virtio 9p overlay crc32c_generic ext4)

root=$(mktemp -d "$output.draft-XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,lower,layer,root,modules}
cp "$(command -v busybox)" "$root/bin/busybox"
install -m 755 "$(dirname "$0")/init" "$root/init"

# In the order in which they can be loaded, each after those that it needs.
number=100
while read -r _ file; do
  name=$(basename "$file")
  number=$((number + 1))
  if [[ $name == *.xz ]]; then xz -dc "$file" > "$root/modules/$number-${name%.xz}"; else cp "$file" "$root/modules/$number-$name"; fi
done < <(for module in "${modules[@]}"; do modprobe -d "$kernel" -S "$version" --show-depends --ignore-install "$module"; done |
  grep ^insmod | awk '!seen[$2]++')

(cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null) > "$output.new"
mv "$output.new" "$output"
