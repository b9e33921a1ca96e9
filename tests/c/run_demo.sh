#!/bin/sh
# `make demo` where no real ttnn can be had: the simulated libtt_metal.so in its place.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=$here/../../target/release
build=$here/../../target/demo
mkdir -p "$build"

flags="-std=c++17 -O2 -fPIC -pthread"
library=
for source in "$here"/sim/*.cpp; do
    case $source in */scenarios.cpp) ;; *) library="$library $source" ;; esac
done
# shellcheck disable=SC2086
${CXX:-c++} $flags -fsemantic-interposition -shared -Wl,-soname,libtt_metal.so $library -o "$build/libtt_metal.so"
# shellcheck disable=SC2086
${CXX:-c++} $flags -shared "$here/sim/scenarios.cpp" -L"$build" -ltt_metal '-Wl,-rpath,$ORIGIN' -o "$build/libscenarios.so"
${CC:-cc} -O2 "$here/sim/load_local.c" -o "$build/load_local"

echo "The SIMULATED tt-metal (no device, no ttnn), eight chips; its libtt_metal.so is loaded as Python loads the real one:"
echo '  $ ttmem run -- ./load_local ./libscenarios.so demo'
echo
cd "$build"
exec "$release/ttmem" run -- ./load_local ./libscenarios.so demo
