"""What ttmem adds to each call of tt-metal that it stands in for, on the real wheel, by call.

    python3 benches/ttnn/hook_time.py [--versions 0.77.0,0.81.1] [--rounds 3]

Needs `make build` and a C compiler, on x86-64. See hook_timer.c for how it is measured. Prints a table in Markdown: ns that
were added, the median over all calls, less what the measuring itself adds, which a run without ttmem shows.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from cost import IN_MEMORY, OFF, ROOT, TTMEM, machine, wheel

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = (("measuring alone", None), ("no call sites", "off"), ("Python frames", "python"), ("call sites", "on"))
CALLS = (
    "allocate_buffer", "track_allocate", "deallocate_buffer", "track_deallocate", "track_allocate_cb",
    "allocate_circular_buffers", "allocate_dataflow_buffers", "mark_address", "allocate_scratchpads",
    "deallocate_circular_buffers",
)


def one_run(python, folder, timer, stacks, rounds):
    """By call: the ns that were added, each time."""
    out = folder / "added"
    environment = wheel.environment("blackhole-8", folder) | OFF
    environment |= {"TTMEM_DIR": str(folder / "rings"), "HOOK_TIMER_OUT": str(out), "LD_PRELOAD": str(timer)}
    command = [python, str(HERE / "hook_program.py"), "2", "4", str(rounds)]
    if stacks:
        # Behind the timer: `ttmem run` would put its library first, so its reader looks on from outside.
        library = pathlib.Path(os.environ.get("TTMEM_LIBRARY") or pathlib.Path(TTMEM).parent / "libttmem.so")
        environment |= {"LD_PRELOAD": f"{timer}:{library}", "TTMEM_STACKS": stacks}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"hook_time.py: {done.stderr[:2000]}")
    added = {call: [] for call in CALLS}
    for line in out.read_text().splitlines():
        call, ns = line.split()
        added[call].append(float(ns))
    return added


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default="0.77.0,0.81.1")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each column; told is the best run's median")
    parser.add_argument("--loops", type=int, default=60)
    arguments = parser.parse_args()
    print("| ttnn | call | calls a run | " + " | ".join(name for name, _ in COLUMNS) + " |")
    print("|---|---|---|" + "---|" * len(COLUMNS))
    for version in arguments.versions.split(","):
        python = wheel.python_with_ttnn(version)
        medians = {(name, call): [] for name, _ in COLUMNS for call in CALLS}
        counts = {}
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            folder = pathlib.Path(folder)
            timer = folder / "hook_timer.so"
            build = ["cc", "-O2", "-shared", "-fPIC", "-o", str(timer), str(HERE / "hook_timer.c"), "-ldl"]
            subprocess.run(build, check=True)
            for _ in range(arguments.rounds):
                for name, stacks in COLUMNS:
                    for call, added in one_run(python, folder, timer, stacks, arguments.loops).items():
                        counts[call] = len(added)
                        if added:
                            medians[name, call].append(statistics.median(added))
        for call in CALLS:
            if not counts[call]:
                continue
            alone = min(medians[COLUMNS[0][0], call])
            cells = [f"{alone:.0f}"] + [f"+{min(medians[name, call]) - alone:.0f}" for name, _ in COLUMNS[1:]]
            print(f"| {version} | {call} | {counts[call]} | " + " | ".join(cells) + " |")
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}. ns a call, the median; the best of {arguments.rounds} runs.")


if __name__ == "__main__":
    main()
