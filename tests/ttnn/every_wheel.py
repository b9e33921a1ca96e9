"""Every wheel that runs on mock chips: the acceptance program step by step, and the parts that `ttmem doctor` finds in it.

    python3 every_wheel.py [VERSION ...]

Prints the table of docs/builds.md. Exit code 1 if a step differs, or a wheel lacks the buffers. Too long for `make test`: .ci/nightly
runs it.
"""

import json
import os
import subprocess
import sys

import wheel
from test_acceptance import TTMEM, Acceptance

# They start on mock chips only with slow dispatch.
SLOW = ("0.67.4", "0.68.0", "0.69.0", "0.70.1", "0.71.2", "0.72.0", "0.73.1", "0.74.0")
VERSIONS = ("0.66.0", *SLOW, "0.75.0", "0.76.0", "0.77.0", "0.78.0", "0.79.0", "0.80.0", "0.81.1")
WORDS = {"yes": "yes", "partly": "partly", "no": "no", "absent": "none there"}


def parts(python):
    """What the doctor says of the wheel's tt-metal: words by part."""
    done = subprocess.run([TTMEM, "doctor", "--json", "--python", python], capture_output=True, text=True)
    return {part["part"]: WORDS[part["seen"]] for part in json.loads(done.stdout)["parts"]}


def steps(version):
    """"equal", or the first lines of what differs."""
    os.environ.pop("TT_METAL_SLOW_DISPATCH_MODE", None)
    if version in SLOW:
        os.environ["TT_METAL_SLOW_DISPATCH_MODE"] = "1"
    try:
        Acceptance("run_and_compare").run_and_compare("blackhole-8", 2, 4, version=version)
    except AssertionError as difference:
        print(f"{version}: {difference}", file=sys.stderr)
        return "DIFFERS"
    return "equal"


def main(versions):
    found = {}
    for version in versions:
        python = wheel.python_with_ttnn(version)
        found[version] = {"every step of the acceptance program": steps(version)} | parts(python)
    columns = list(found)
    print("| |", " | ".join(columns), "|")
    print("|---|" + "---|" * len(columns))
    for row in dict.fromkeys(name for wheel_parts in found.values() for name in wheel_parts):
        print(f"| {row} |", " | ".join(found[version].get(row, "") for version in columns), "|")
    is_good = all(part["buffers"] == "yes" and "DIFFERS" not in part.values() for part in found.values())
    return 0 if is_good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:] or VERSIONS))
    except wheel.Unavailable as reason:
        sys.exit(f"every_wheel.py: {reason}")
