#!/bin/sh
# What a recording of ten million events costs: bytes an event, and time and memory of a report on it.
#
#     sh benches/recording.sh [EVENTS]
set -eu
cd "$(dirname "$0")/.."
events=${1:-10000000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo build --quiet --release -p ttmem-shim -p ttmem
"${CC:-cc}" -std=c11 -O2 -D_GNU_SOURCE -o "$folder/churn" tests/c/churn.c
TTMEM_DIR="$folder/rings" TTMEM_ON_FULL=block:60000 \
    target/release/ttmem record -o "$folder/file.ttmem" -- "$folder/churn" "$events" 100000
size=$(wc -c <"$folder/file.ttmem")
echo "$size bytes, $((size * 100 / events)) hundredths of a byte an event"
for _ in 1 2 3; do
    python3 - target/release/ttmem report --quiet "$folder/file.ttmem" <<'PYTHON'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[1:], check=True)
print("report: %.2f s, %d MiB" % (time.monotonic() - start,
      resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024))
PYTHON
done
