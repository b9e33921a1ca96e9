"""Runs a command with the real ttnn on mock chips: `python` in it is an interpreter that has ttnn. Needs no device.

    python3 tests/ttnn/on_mock.py [--cluster blackhole-8] ttmem run -- python model.py

The wheel is downloaded at the first call. Clusters: see cluster_descriptors.py; blackhole-1, one chip, unless told.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import cluster_descriptors
import wheel

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", default="blackhole-1", choices=sorted(cluster_descriptors.CLUSTERS))
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    options = parser.parse_args()
    if not options.command:
        parser.error("which command?")
    try:
        python = wheel.python_with_ttnn()
    except wheel.Unavailable as reason:
        sys.exit(f"on_mock.py: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        environment = wheel.environment(options.cluster, folder)
        package = str(ROOT / "python")
        environment["PYTHONPATH"] = ":".join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        # `ttmem` is the one on PATH, else the one that was built here.
        environment["PATH"] = ":".join([str(pathlib.Path(python).parent), os.environ.get("PATH", os.defpath),
                                        str(ROOT / "target" / "release")])
        try:
            # As a shell does, found by the new PATH.
            sys.exit(subprocess.run(["/usr/bin/env", "--", *options.command], env=environment).returncode)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
