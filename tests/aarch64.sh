#!/bin/sh
# On aarch64, under emulation: the tests of wire and ring, and C programs with the library preloaded, whose rings are then read.
# Time stamps are those of CNTVCT_EL0. Where the kernel starts programs for aarch64 (binfmt_misc), the simulated tt-metal too.
#
# Wanted: a standard library (rustup target add aarch64-unknown-linux-gnu), cross compilers (g++-aarch64-linux-gnu) and
# qemu-aarch64 (qemu-user). Without them it says so and is no failure. contrib/aarch64.sh makes a place that has all of it.
set -eu
cd "$(dirname "$0")/.."

TRIPLE=aarch64-unknown-linux-gnu
CC=${AARCH64_CC:-aarch64-linux-gnu-gcc}
CXX=${AARCH64_CXX:-aarch64-linux-gnu-g++}
QEMU=${QEMU_AARCH64:-qemu-aarch64}
CARGO=${CARGO:-cargo}
# The libraries of programs: this machine's own for aarch64, if it has some, with which those of the cross compiler would be mixed.
if [ -e /lib/ld-linux-aarch64.so.1 ]; then ROOT=/; else ROOT=/usr/aarch64-linux-gnu; fi
ROOT=${AARCH64_ROOT:-$ROOT}
unset CARGO_BUILD_TARGET

skip() {
    echo "SKIPPED: test-aarch64: $1"
    exit 0
}
command -v "$QEMU" >/dev/null || skip "no $QEMU (Debian: qemu-user)"
for compiler in "$CC" "$CXX"; do
    command -v "$compiler" >/dev/null || skip "no $compiler (Debian: g++-aarch64-linux-gnu)"
done
test -e "$(rustc --print sysroot)/lib/rustlib/$TRIPLE" || skip "no Rust library for $TRIPLE (rustup target add $TRIPLE)"

export CC_aarch64_unknown_linux_gnu="$CC" CXX_aarch64_unknown_linux_gnu="$CXX"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$CC"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$QEMU -L $ROOT"
TARGET=${CARGO_TARGET_DIR:-target}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
echo 'int main(void) { return 0; }' >"$WORK/true.c"
"$CC" -o "$WORK/true" "$WORK/true.c"
# Whether the kernel starts programs for aarch64. One test starts its own program again.
starts=no
leave_out="-- --skip any_other_bus_error"
if "$WORK/true" 2>/dev/null; then
    starts=yes leave_out=
fi

# shellcheck disable=SC2086
"$CARGO" test --locked --target $TRIPLE -p ttmem-wire -p ttmem-ring $leave_out
"$CARGO" build --locked --release --target $TRIPLE -p ttmem-shim -p ttmem
LIBRARY=$(realpath "$TARGET/$TRIPLE/release/libttmem.so")
TTMEM=$(realpath "$TARGET/$TRIPLE/release/ttmem")

# check NAME EVENTS PROGRAM ARGUMENT...: what it reported is read, all of it, and its times are as long as the run was.
check() {
    name=$1 events=$2
    shift 2
    "$CC" -std=c11 -O2 -D_GNU_SOURCE -pthread -o "$WORK/$name" "tests/c/$name.c" -ldl
    mkdir -m 700 "$WORK/$name.rings"
    "$QEMU" -L "$ROOT" -E LD_PRELOAD="$LIBRARY" -E TTMEM_DIR="$WORK/$name.rings" "$WORK/$name" "$@"
    TTMEM_DIR="$WORK/$name.rings" "$QEMU" -L "$ROOT" "$TTMEM" report --json "$WORK/$name.json" "$WORK/$name.rings"/*.ring >/dev/null
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
"$QEMU" -L "$ROOT" "$TTMEM" report --json "$WORK/marks.json" "$WORK/rings"/*.ring >/dev/null
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

[ $starts = yes ] || {
    echo "SKIPPED: test-aarch64: the simulated tt-metal: the kernel does not start programs for aarch64 (Debian: qemu-user-binfmt)"
    exit 0
}
# qemu-user has no process_vm_readv, by which scratchpads are found.
TTMEM_TEST_TARGET=$TRIPLE "$CARGO" test --locked -p ttmem-e2e --test exports --test simulated -- --skip dataflow_buffers_and_scratchpads
