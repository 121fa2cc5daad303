#!/usr/bin/env bash
# Makes the disk of the virtual machine: an ext4 with a copy of this host's /usr, without what only people read.
# usage: disk.sh OUTPUT     does nothing when packages and programs are the ones of last time
set -euo pipefail

output=$1
# Documentation, translations, and large things that programs in a sandbox have no use for.
left_out=(share/doc share/man share/info share/locale share/i18n share/icons share/fonts share/vim share/java share/package-lists
  lib/debug lib/jvm lib/google-cloud-sdk lib/modules)

if [[ -z ${CLOISTER_DISK_STAGE:-} ]]; then
  # What packages are installed, and when the directories changed that people install into by hand.
  key=$({ cksum "$0" /var/lib/dpkg/status; find /usr -xdev -maxdepth 3 -type d -printf '%p %C@\n' | sort; } | sha256sum)
  if [[ -f $output && $(cat "$output.key" 2> /dev/null) == "$key" ]]; then exit; fi
  draft=$(mktemp -d "$output.draft-XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  # Only this process sees what it mounts.
  CLOISTER_DISK_STAGE=$draft/stage unshare --mount --propagation private bash "$0" "$draft/disk"
  mv "$draft/disk" "$output"
  printf '%s\n' "$key" > "$output.key"
  exit
fi

# mkfs takes a tree as it is: an overlay over /usr is one with parts taken out.
mkdir "$CLOISTER_DISK_STAGE"
mount -t tmpfs -o mode=755 stage "$CLOISTER_DISK_STAGE"
cd "$CLOISTER_DISK_STAGE"
mkdir -p upper work tree/usr
mount -t overlay -o "lowerdir=/usr,upperdir=$PWD/upper,workdir=$PWD/work" stage tree/usr
(cd tree/usr && rm -rf "${left_out[@]}" && mkdir lib/modules)
# Room for what the tests write; nothing of it takes space before it is written. No journal: the disk lives for one run.
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,lazy_itable_init=1,nodiscard -d tree "$output" 24G
