#!/usr/bin/env bash
# Makes the disk of the virtual machine: an ext4 with a copy of this host's /usr, without what only people read.
# usage: disk.sh OUTPUT     does nothing when nothing in /usr has changed since
set -euo pipefail

output=$1
# Documentation, translations, and large things that programs in a sandbox have no use for.
left_out=(share/doc share/man share/info share/locale share/i18n share/icons share/fonts share/vim share/java share/package-lists
  lib/debug lib/jvm lib/google-cloud-sdk lib/modules)

if [[ -f $output && -z $(find /usr -xdev -cnewer "$output" -print -quit) ]]; then exit; fi

# mkfs takes a tree as it is. An overlay over /usr is one with parts taken out; only this process sees its mount.
if [[ -z ${CLOISTER_DISK_STAGE:-} ]]; then
  stage=$(mktemp -d "$output.stage-XXXXXX")
  trap 'rmdir "$stage"; rm -f "$output.new"' EXIT
  CLOISTER_DISK_STAGE=$stage unshare --mount --propagation private bash "$0" "$output"
  mv "$output.new" "$output"
  exit
fi
cd "$CLOISTER_DISK_STAGE"
mount -t tmpfs -o mode=755 stage .
cd "$CLOISTER_DISK_STAGE"
mkdir -p upper work tree/usr
mount -t overlay -o "lowerdir=/usr,upperdir=$PWD/upper,workdir=$PWD/work" stage tree/usr
(cd tree/usr && rm -rf "${left_out[@]}" && mkdir lib/modules)
rm -f "$output.new"
# Room for what the tests write; nothing of it takes space before it is written. No journal: the disk lives for one run.
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,lazy_itable_init=1,nodiscard -d tree "$output.new" 24G
