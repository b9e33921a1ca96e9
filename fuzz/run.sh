#!/bin/sh
# Fuzzes one target with stable Rust; cargo-fuzz and a nightly compiler are not needed.
#     fuzz/run.sh NAME [SECONDS [libFuzzer's arguments]]
#     fuzz/run.sh                   prints the names
# The folders in fuzz/corpus keep what it learns; an input that does harm lies in fuzz/artifacts.
set -eu
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
# Link-time optimisation takes the marks of coverage away.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
seeds() { cargo run --quiet --locked --manifest-path ../Cargo.toml -p ttmem-hostile --bin seeds -- "$@"; }
name=${1-}
if [ -z "$name" ]; then
    seeds && exit
fi
seconds=${2:-60}
shift && { [ $# = 0 ] || shift; }
mkdir -p "corpus/$name" artifacts
seeds "$name" "corpus/$name"
# With --target, so that build scripts are not instrumented.
RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --quiet --release --locked --target "$host" --bin "$name"
# Where the target puts the files that it reads.
TTMEM_HOSTILE=$(mktemp -d /dev/shm/ttmem-fuzz-XXXXXX)
export TTMEM_HOSTILE
trap 'rm -rf "$TTMEM_HOSTILE"' EXIT
"$CARGO_TARGET_DIR/$host/release/$name" -max_len=70000 -timeout=10 -rss_limit_mb=512 \
    -artifact_prefix="artifacts/$name-" -max_total_time="$seconds" "$@" "corpus/$name"
