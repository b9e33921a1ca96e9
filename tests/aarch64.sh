#!/bin/sh
# The way of an event on aarch64, under emulation: the tests of wire and ring, and C programs with the library preloaded,
# whose rings are then read here. Time stamps are those of CNTVCT_EL0.
#
# Wanted: a standard library (rustup target add aarch64-unknown-linux-gnu), a cross compiler (gcc-aarch64-linux-gnu) and
# qemu-aarch64 (qemu-user). Without them it says so and is no failure.
set -eu
cd "$(dirname "$0")/.."

TRIPLE=aarch64-unknown-linux-gnu
ROOT=${AARCH64_ROOT:-/usr/aarch64-linux-gnu}
CC=${AARCH64_CC:-aarch64-linux-gnu-gcc}
QEMU=${QEMU_AARCH64:-qemu-aarch64}
CARGO=${CARGO:-cargo}

skip() {
    echo "SKIPPED: test-aarch64: $1"
    exit 0
}
command -v "$QEMU" >/dev/null || skip "no $QEMU (Debian: qemu-user)"
command -v "$CC" >/dev/null || skip "no $CC (Debian: gcc-aarch64-linux-gnu)"
test -e "$(rustc --print sysroot)/lib/rustlib/$TRIPLE" || skip "no Rust library for $TRIPLE (rustup target add $TRIPLE)"

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$CC"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$QEMU -L $ROOT"
"$CARGO" test --locked --target $TRIPLE -p ttmem-wire -p ttmem-ring
"$CARGO" build --locked --target $TRIPLE -p ttmem-shim
"$CARGO" build --locked --release -p ttmem

TARGET=${CARGO_TARGET_DIR:-target}
LIBRARY=$(realpath "$TARGET/$TRIPLE/debug/libttmem.so")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# check NAME EVENTS PROGRAM ARGUMENT...: what it reported is read, all of it, and its times are as long as the run was.
check() {
    name=$1 events=$2
    shift 2
    "$CC" -std=c11 -O2 -D_GNU_SOURCE -pthread -o "$WORK/$name" "tests/c/$name.c" -ldl
    mkdir -m 700 "$WORK/$name.rings"
    "$QEMU" -L "$ROOT" -E LD_PRELOAD="$LIBRARY" -E TTMEM_DIR="$WORK/$name.rings" "$WORK/$name" "$@"
    TTMEM_DIR="$WORK/$name.rings" "$TARGET/release/ttmem" report --json "$WORK/$name.json" "$WORK/$name.rings"/*.ring >/dev/null
    grep -q "\"reported\": $events," "$WORK/$name.json" && grep -q "\"drained\": $events," "$WORK/$name.json" || {
        echo "test-aarch64: $name: not $events events:"
        grep -A5 '"events"' "$WORK/$name.json"
        exit 1
    }
    echo "test-aarch64: $name: $events events, none lost"
}
check churn 20000 20000 500
# Each mark's turns, and a name with its time: at least two events a mark.
"$CC" -std=c11 -O2 -D_GNU_SOURCE -pthread -o "$WORK/marks_at" tests/c/marks_at.c -ldl
mkdir -m 700 "$WORK/rings"
"$QEMU" -L "$ROOT" -E LD_PRELOAD="$LIBRARY" -E TTMEM_DIR="$WORK/rings" "$WORK/marks_at" 40 25
"$TARGET/release/ttmem" report --json "$WORK/marks.json" "$WORK/rings"/*.ring >/dev/null
# The emulated counter ticks each 16 ns, and calls take long: a mark must lie within 100 us of the program's own times.
python3 - "$WORK/marks.json" <<'END'
import json, sys

last, moments = None, []
for mark in json.load(open(sys.argv[1]))["processes"][0]["marks"]:
    words = mark["name"].split()
    if words[0] == "was":
        moments.append((int(words[1]), int(words[2]), last))
    last = mark["at_ns"]
moments = moments[1:]
apart = max(0, max(at - after for _, after, at in moments) - min(at - before for before, _, at in moments)) / 2
print(f"test-aarch64: marks_at: {len(moments)} times, {apart:.0f} ns apart from the program's own")
sys.exit(len(moments) != 40 or apart > 100_000)
END
