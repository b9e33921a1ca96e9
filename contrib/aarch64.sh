#!/bin/sh
# Makes a Debian in FOLDER that builds and runs programs for aarch64, and runs a COMMAND there, in this checkout. Without one it is the
# tests for aarch64 and the wheel, which is then in target/aarch64-unknown-linux-gnu/wheel.
#     contrib/aarch64.sh FOLDER [COMMAND…]
# Wanted: root, debootstrap, a Debian mirror (that of this machine's apt, or DEBIAN_MIRROR), some 6 GB, and Linux 6.7, or those tests
# are skipped that start other programs. A folder that was made once is used again.
# Rust comes from the backports to Debian 13. The cross compiler is that of Debian 12: its glibc, 2.36, has no newer version of a symbol
# that we use than 2.34, which the wheel promises.
set -eu
[ $# -gt 0 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(realpath "$1")
shift
triple=aarch64-unknown-linux-gnu

make_root() {
    # shellcheck disable=SC2016
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1)}
    [ -n "$mirror" ] || { echo "aarch64.sh: set DEBIAN_MIRROR: this machine's apt has none" >&2 && exit 2; }
    debootstrap --variant=minbase --include=ca-certificates trixie "$folder" "$mirror"
    for suite in trixie trixie-backports bookworm; do
        echo "deb $mirror $suite main"
    done >"$folder/etc/apt/sources.list"
    cat >"$folder/etc/apt/preferences.d/ttmem" <<'END'
Package: cpp*-aarch64-linux-gnu* gcc*-aarch64-linux-gnu* g++*-aarch64-linux-gnu* *-arm64-cross
Pin: release n=bookworm
Pin-Priority: 900

Package: src:rustc:any
Pin: release n=trixie-backports
Pin-Priority: 900

Package: *
Pin: release n=bookworm
Pin-Priority: 1
END
    cp /etc/resolv.conf "$folder/etc"
    chroot "$folder" dpkg --add-architecture arm64
    chroot "$folder" apt-get -q update
    # Programs for aarch64 run with the libraries that Rust's brings along.
    DEBIAN_FRONTEND=noninteractive chroot "$folder" apt-get -qy install --no-install-recommends cargo libstd-rust-dev:arm64 g++ \
        gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross make qemu-user-binfmt procps python3-pip python3-venv
    mkdir "$folder/ttmem"
    touch "$folder/ttmem.is-made"
}

[ -e "$folder/ttmem.is-made" ] || make_root
# Of this machine: a proxy may have a certificate of its own.
for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e $file ] || cp $file "$folder$file"
done
[ $# -gt 0 ] || set -- make test-aarch64 wheel CARGO_BUILD_TARGET=$triple
# All of it lies in a namespace, and is gone with it: the mounts, and that the kernel starts qemu for programs for aarch64.
# shellcheck disable=SC2016
exec unshare --user --map-root-user --mount sh -euc '
    folder=$1
    shift
    mount --rbind /proc "$folder/proc"
    mount --rbind /dev "$folder/dev"
    mount --bind . "$folder/ttmem"
    if mount -t binfmt_misc none "$folder/proc/sys/fs/binfmt_misc"; then
        cat "$folder/usr/lib/binfmt.d/qemu-aarch64.conf" >"$folder/proc/sys/fs/binfmt_misc/register"
    fi
    exec chroot "$folder" env -u CARGO_HOME -u RUSTUP_HOME HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        CARGO=cargo PYTHON=python3 CARGO_TARGET_DIR=/target GLIBC_TUNABLES=glibc.malloc.hugetlb=1 sh -euc "cd /ttmem; exec \"\$@\"" - "$@"
' - "$folder" "$@"
