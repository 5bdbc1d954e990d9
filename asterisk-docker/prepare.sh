#!/bin/sh
# Run once inside the root that packages.txt was installed into: the container image and the rootfs alike.
set -eu

version=$(dpkg-query --show --showformat='${Version}' asterisk)
if dpkg --compare-versions "$version" lt 1:22.10.1; then
    echo "Asterisk $version is too old: 22.10.1 closes two ARI and AMI advisories" >&2
    exit 1
fi

# One directory, /srv/asterisk, holds all that differs between instances.
rm -rf /etc/asterisk
ln -s /srv/asterisk/etc /etc/asterisk
mkdir -p /srv/asterisk /opt/kakehashi/sounds

# sound:kakehashi/NAME plays sounds/<language>/NAME of the project.
for language in ja en; do
    if [ -e /usr/share/asterisk/sounds/$language ]; then :; else mkdir /usr/share/asterisk/sounds/$language; fi
    ln -s /opt/kakehashi/sounds/$language /usr/share/asterisk/sounds/$language/kakehashi
done

# Mount points of the rootfs; a container engine brings its own.
[ -e /etc/hosts ] || touch /etc/hosts
[ -e /etc/resolv.conf ] || touch /etc/resolv.conf
