#!/bin/sh
# Prints what this machine lacks, a line each with the way to get it, and ends with 1 if something is missing.
#     contrib/needs.sh cargo cc c++ python venv objcopy dpkg-deb
set -u
cd "$(dirname "$0")/.."
missing=0
lacks() {
    echo "ttmem needs $1. Get it: $2" >&2
    missing=1
}
# The two first numbers of a version, as one.
number() {
    old_ifs=$IFS
    IFS=.-
    # shellcheck disable=SC2086
    set -- $1
    IFS=$old_ifs
    echo $(($1 * 1000 + $2))
}
rust_version() {
    while IFS='"' read -r key version _; do
        [ "$key" != "rust-version = " ] || { echo "$version" && return; }
    done <Cargo.toml
}
for need in "$@"; do
    case $need in
    cargo)
        oldest=$(rust_version)
        rustup="https://rustup.rs (Debian: apt install rustup && rustup default stable)"
        if ! found=$(${CARGO:-cargo} --version 2>/dev/null); then
            lacks "a Rust toolchain, $oldest or later (no ${CARGO:-cargo} that runs)" "$rustup"
        else
            found=${found#cargo }
            found=${found%% *}
            [ "$(number "$found")" -ge "$(number "$oldest")" ] ||
                lacks "Rust $oldest or later (this is $found)" "rustup update stable, or $rustup"
        fi ;;
    cc) command -v "${CC:-cc}" >/dev/null || lacks "a C compiler (no ${CC:-cc} on PATH)" "apt install build-essential" ;;
    c++) command -v "${CXX:-c++}" >/dev/null || lacks "a C++17 compiler (no ${CXX:-c++} on PATH)" "apt install build-essential" ;;
    python) "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        lacks "Python 3.10 or later (no such ${PYTHON:-python3} on PATH)" "apt install python3" ;;
    venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null ||
        lacks "Python's venv and pip" "apt install python3-venv python3-pip" ;;
    objcopy) command -v "${OBJCOPY:-objcopy}" >/dev/null || lacks "${OBJCOPY:-objcopy}" "apt install binutils" ;;
    dpkg-deb) command -v dpkg-deb >/dev/null || lacks "dpkg-deb, of a Debian system" "apt install dpkg" ;;
    *) lacks "a check for $need" "write one in contrib/needs.sh" ;;
    esac
done
exit $missing
