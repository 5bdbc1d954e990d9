#!/bin/sh
# launch.sh ROOTFS DIR SOUNDS UID:GID
# Becomes the Asterisk of DIR. Runs in a mount namespace of its own (unshare --mount), so that every mount
# ends with the process. DIR/pid tells it: process id and start time, which together are never reused.
set -eu
root=$1 dir=$2 sounds=$3 user=$4

mount --rbind /dev "$root/dev"
mount --bind /proc "$root/proc"
mount --bind "$dir" "$root/srv/asterisk"
mount --bind -o ro "$sounds" "$root/opt/kakehashi/sounds"
mount --bind "$dir/etc/hosts" "$root/etc/hosts"
if [ -e /etc/resolv.conf ]; then mount --bind -o ro /etc/resolv.conf "$root/etc/resolv.conf"; fi

ulimit -n "$(ulimit -Hn)"
umask 027
echo "$$ $(cut -d ' ' -f 22 /proc/$$/stat)" > "$dir/pid.new"
mv "$dir/pid.new" "$dir/pid"
exec chroot --userspec="$user" "$root" /usr/sbin/asterisk -f -C /srv/asterisk/etc/asterisk.conf
