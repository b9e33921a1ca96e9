#!/bin/sh
# What an event costs, beside other ways of telling it: a table in Markdown, headed by the machine and the day.
#
#     benches/compare.sh                      prints it
#     benches/compare.sh --into docs/cost.md  puts it between the marks in that file
#
# Wants cargo and a C compiler. LTTng-UST and valgrind have rows where they are installed.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet -p ttmem-shim
table() {
    echo "Measured on $(date -u +%Y-%m-%d) by \`benches/compare.sh\`."
    echo
    cargo bench --locked --quiet -p ttmem-benches --bench calls
    echo
    benches/instructions.sh
}
if [ "${1:-}" != --into ]; then
    table
    exit
fi
file=${2:?a file with the two marks}
new=$(mktemp)
trap 'rm -f "$new" "$new.file"' EXIT
table >"$new"
awk -v table="$new" '
    /<!-- table: end -->/ { inside = 0 }
    !inside { print }
    /<!-- table: begin/ { inside = 1; print ""; while ((getline line < table) > 0) print line; print "" }
' "$file" >"$new.file"
cat "$new.file" >"$file"
