#!/bin/sh
# Fuzzes with stable Rust, where cargo-fuzz and a nightly one are not at hand:
#     fuzz/run.sh recording -max_total_time=60
#     fuzz/run.sh snapshot -max_total_time=60
# The further arguments are libFuzzer's. The folders in fuzz/corpus keep what it learns.
set -eu
cd "$(dirname "$0")"
case "${1-}" in
recording | snapshot) what=$1 && shift ;;
*) what=recording ;;
esac
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
# With --target, so that build scripts are not instrumented.
RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --locked --target "$host"
mkdir -p "corpus/$what" artifacts
# The bytes of a recording follow the head of a file.
if [ "$what" = recording ]; then
    for file in ../recording/tests/format-*/*.ttmemrec; do
        tail -c +17 "$file" > "corpus/recording/$(basename "$file")"
    done
fi
exec "$target/$host/release/$what" -max_len=6000 -malloc_limit_mb=64 -artifact_prefix=artifacts/ "$@" "corpus/$what"
