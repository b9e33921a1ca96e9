#!/bin/sh
# Installs ttnn and ttmem for a python, and checks that they are there. The Dockerfile runs it; a virtual environment will do as well:
#     contrib/docker/install.sh PYTHON FOLDER-OF-THE-WHEEL
# TTNN_VERSION: 0.81.1, or empty for none. As root of a Debian system it also installs the libraries that ttnn needs.
set -eu
python=$1
folder=$2
ttnn=${TTNN_VERSION-0.81.1}
if [ -n "$ttnn" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends libatomic1 libgcc-s1 libstdc++6 zlib1g >/dev/null
    rm -rf /var/lib/apt/lists/*
fi
set -- "$folder"/ttmem-*.whl
[ -e "$1" ] || { echo "install.sh: no wheel of ttmem in $folder; make wheel builds one" >&2 && exit 1; }
"$python" -m pip --disable-pip-version-check install --quiet --no-cache-dir "$1" ${ttnn:+"ttnn==$ttnn"}
"$python" -m ttmem --version
[ -z "$ttnn" ] || "$python" -c 'import importlib.metadata; print("ttnn", importlib.metadata.version("ttnn"))'
