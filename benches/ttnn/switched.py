"""What tracking costs a ttnn program with many distinct programs on 32 mock chips, told within one process.

    python3 benches/ttnn/switched.py [--versions 0.77.0,0.81.1] [--processes 6] [--turns 60] [--programs 64] [--gap 0]

Needs `make build`, and builds the library once more with the feature `switch`. Two processes differ by some percent whatever
they run, which is more than tracking costs (see cost.py). So here one process switches it on and off, every 16 ops, or each op
where there is a --gap (seconds of sleep before each). Of each op the median with tracking is held against the medians without, and
all ops are summed up. Ops without tracking are told in two halves: "off again", one held against the other, should be 0. Errors
are those of the mean over processes. What a library costs that is loaded but off is not seen here: that is cost.py's to tell.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import cost

HERE = pathlib.Path(__file__).resolve().parent
FEATURE = cost.ROOT / "target" / "switch"
COLUMNS = [column for column in cost.COLUMNS if column[0] in ("library alone", "ttmem")]


def build():
    command = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "ttmem-shim", "--features", "switch"]
    subprocess.run(command, cwd=cost.ROOT, env=os.environ | {"CARGO_TARGET_DIR": str(FEATURE)}, check=True)
    return FEATURE / "release" / "libttmem.so"


def one_process(arguments, library, python, shared, column):
    """Of one process, by kind: each op's median, summed up, ns."""
    _, variables, how = column
    environment = cost.wheel.environment("wormhole-32", shared) | variables | {"TTMEM_DIR": str(shared / "rings")}
    command = [python, str(HERE / "switched_program.py"), "8", "4", str(arguments.programs), str(arguments.turns)]
    command.append(str(arguments.gap))
    command, tracking = cost.tracked(command, how, str(library))
    done = subprocess.run(command, env=environment | tracking, cwd=shared, capture_output=True, text=True)
    shutil.rmtree(shared / "rings", ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"switched.py: {done.stderr[-2000:]}")
    taken = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"on"'))
    return {kind: sum(statistics.median(op) for op in ops) for kind, ops in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default="0.77.0,0.81.1")
    parser.add_argument("--processes", type=int, default=6, help="of each kind")
    parser.add_argument("--turns", type=int, default=60, help="of three passes each, in a process")
    parser.add_argument("--programs", type=int, default=64)
    parser.add_argument("--gap", type=float, default=0.0, help="seconds of sleep before each op")
    arguments = parser.parse_args()
    library = build()
    between = f"{arguments.gap * 1e3:.0f} ms" if arguments.gap else "nothing"
    print("| ttnn | | programs | between ops | processes | ms a pass | on | off again |\n|---|---|---|---|---|---|---|---|")
    for version in arguments.versions.split(","):
        python = cost.wheel.python_with_ttnn(version)
        found = {column[0]: [] for column in COLUMNS}
        with tempfile.TemporaryDirectory(dir=cost.IN_MEMORY) as folder:
            for number in range(arguments.processes):
                for column in COLUMNS:
                    sums = one_process(arguments, library, python, pathlib.Path(folder), column)
                    found[column[0]].append(sums)
                    told = {kind: f"{value / 1e6:.2f} ms" for kind, value in sorted(sums.items())}
                    print(f"{version} {column[0]} {number}: {told}", file=sys.stderr)
        for way, processes in found.items():
            base = statistics.median(process["off"] for process in processes) / 1e6
            without = [math.sqrt(process["off"] * process["off again"]) for process in processes]
            on = cost.mean_change([math.log(process["on"] / off) for process, off in zip(processes, without)])
            again = cost.mean_change([math.log(process["off again"] / process["off"]) for process in processes])
            print(f"| {version} | {way} | {arguments.programs} | {between} | {len(processes)} | {base:.1f} | {on} % | {again} % |")
    print(f"\n{cost.machine()}")


if __name__ == "__main__":
    main()
