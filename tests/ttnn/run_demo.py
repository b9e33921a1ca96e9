"""`make demo`: the demo program on the real ttnn wheel and mock chips, under ttmem. Exit code 3 if no wheel can be had."""

import pathlib
import subprocess
import sys
import tempfile

import wheel

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main():
    try:
        print("Getting the ttnn wheel ready (the first time it is downloaded) ...", flush=True)
        python = wheel.python_with_ttnn()
    except wheel.Unavailable as reason:
        print(f"No real ttnn here ({reason}); the simulated library takes its place.", flush=True)
        return 3
    print("The real ttnn, eight mock Blackhole chips in a 2x4 mesh, not rebuilt in any way:", flush=True)
    command = [str(ROOT / "target" / "release" / "ttmem"), "run", "--", python, str(HERE / "demo.py")]
    print("  $ ttmem run -- python demo.py\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=wheel.environment("blackhole-8", folder), cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
