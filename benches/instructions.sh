#!/bin/sh
# How many instructions one call of report_allocation takes, counted by callgrind.
#
#     cargo build --release -p ttmem-shim && benches/instructions.sh
#
# Two runs of different length; what they share (loading, the first event) cancels out. Counts do not depend on what else
# the machine does, so two builds can be compared with them.
set -eu
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    echo "SKIPPED: instructions.sh: valgrind is not installed"
    exit 0
fi
bench=${1:-$(cargo bench -q -p ttmem-benches --bench calls --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*calls-[^"]*\)".*/\1/p' | tail -1)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
collected() {
    TTMEM_DIR="$folder/rings" TTMEM_STACKS=off valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect="$2" "$bench" --calls "$1" 2>&1 | sed -n 's/.*Collected : //p'
}
# The flusher gets no turn meanwhile, so no more than the queue holds.
few=$(collected 500 report_allocation)
many=$(collected 3500 report_allocation)
if [ -z "$few" ] || [ -z "$many" ]; then
    echo "SKIPPED: instructions.sh: callgrind counted nothing"
    exit 0
fi
echo "report_allocation: $(((many - few) / 3000)) instructions a call"
