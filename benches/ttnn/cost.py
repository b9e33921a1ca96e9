"""What tracking costs ttnn programs with many distinct programs on 32 mock chips: ttmem beside tt-metal's own tracking.

    python3 benches/ttnn/cost.py [--versions 0.77.0,0.81.1] [--rounds 3] [--long-rounds 1] [--raw FILE]

Needs `make build`. Wheels are taken as the tests of tests/ttnn take them. Every round runs every column once, in an order
that changes from round to round; told are medians. Prints a table in Markdown; --raw keeps every figure, and is read back
by --from, so that rounds can be added later.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "ttnn"))
import wheel  # noqa: E402

TTMEM = os.environ.get("TTMEM_BIN") or str(ROOT / "target" / "release" / "ttmem")
GAP = 0.101
COUNTS = (64, 256, 1024)
OFF = {"TT_METAL_SHM_TRACKING_DISABLED": "1"}

# Name of the column, what is added to the environment, and whether ttmem runs the program ("run"), or the library is
# preloaded and nobody drains ("preload"): that shows what the hooks cost by themselves, without the reader's processor.
COLUMNS = (
    ("no tracking", OFF, None),
    ("library alone", OFF | {"TTMEM_RING_BYTES": str(64 << 20)}, "preload"),
    ("ttmem", OFF, "run"),
    ("ttmem without call sites", OFF | {"TTMEM_STACKS": "off"}, "run"),
    ("tt-metal's own", {}, None),
    ("both", {}, "run"),
)


def passes(gaps):
    """`gaps`: "none", "some" (256 programs) or "all" (1024, which takes minutes)."""
    with_gaps = {"none": [], "some": [f"{COUNTS[1]}:{GAP}"], "all": [f"{max(COUNTS)}:{GAP}"]}
    return [f"{max(COUNTS)}:0", *with_gaps[gaps]]


def one_run(python, folder, column, gaps):
    name, variables, how = column
    environment = wheel.environment("wormhole-32", folder) | {"TTMEM_DIR": str(folder / "rings")}
    environment.pop("TT_METAL_SHM_TRACKING_DISABLED", None)
    report = folder / "report.json"
    command = [python, str(HERE / "distinct_programs.py"), "8", "4", *passes(gaps)]
    if how == "run":
        command = [TTMEM, "run", "--quiet", "--json", str(report), "--", *command]
    elif how == "preload":
        library = os.environ.get("TTMEM_LIBRARY") or str(pathlib.Path(TTMEM).parent / "libttmem.so")
        environment["LD_PRELOAD"] = library
        shutil.rmtree(folder / "rings", ignore_errors=True)
    load = os.getloadavg()[0]
    done = subprocess.run(
        command, env=environment | variables, cwd=folder, capture_output=True, text=True, timeout=1800
    )
    if done.returncode != 0:
        sys.exit(f"cost.py: {name}: {done.stderr[-2000:]}")
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    events = None
    if how == "run":
        events = json.loads(report.read_text())["processes"]
        events = {key: sum(process["events"][key] for process in events) for key in ("reported", "lost")}
    return {"column": name, "load": load, "passes": figures, "events": events}


def measure(arguments, rows, folder):
    chosen = arguments.columns.split(",")
    columns = [column for column in COLUMNS if column[0] in chosen]
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    pythons = {version: wheel.python_with_ttnn(version) for version in arguments.versions.split(",")}
    for round in range(arguments.rounds):
        for version, python in pythons.items():
            own = folder / version
            own.mkdir(exist_ok=True)
            for turn in range(len(columns)):
                column = columns[(turn + round) % len(columns)]
                # The long rounds come last.
                gaps = "all" if round >= arguments.rounds - arguments.long_rounds else arguments.gaps
                row = one_run(python, own, column, gaps) | {"version": version, "round": f"{began}, {round}"}
                rows.append(row)
                print(f"{time.strftime('%H:%M:%S')} {version} {row['column']}: {summary(row)}", file=sys.stderr)
                if arguments.raw:
                    with open(arguments.raw, "a") as raw:
                        raw.write(json.dumps(row) + "\n")


def summary(row):
    at = [f"{one['programs']} x {one['gap']} s {at['wall']:.3f} s" for one in row["passes"] for at in one["at"].values()]
    return ", ".join(at) + f", load {row['load']:.1f}"


def samples(rows, version, column, count, gap, kind):
    """By round: the figure of this cell."""
    found = {}
    for row in rows:
        if (row["version"], row["column"]) == (version, column):
            for one in row["passes"]:
                # Keys of numbers come back from a file as text.
                at = {int(key): value for key, value in one["at"].items()}
                if one["gap"] == gap and count in at:
                    found[row["round"]] = at[count][kind]
    return found


def seconds(value):
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def table(rows):
    names = [name for name, _, _ in COLUMNS]
    lines = [
        "| ttnn | programs | between ops | rounds | " + " | ".join(names) + " |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for version in sorted({row["version"] for row in rows}):
        for gap, pause in ((0.0, "nothing"), (GAP, "101 ms")):
            for count in COUNTS:
                base = {kind: samples(rows, version, names[0], count, gap, kind) for kind in ("wall", "cpu")}
                if not base["wall"]:
                    continue
                cells = [cell(rows, version, name, count, gap, base) for name in names]
                lines.append(f"| {version} | {count} | {pause} | {len(base['wall'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(rows, version, name, count, gap, base):
    wall = samples(rows, version, name, count, gap, "wall")
    cpu = samples(rows, version, name, count, gap, "cpu")
    if not wall:
        return "-"
    text = f"{seconds(statistics.median(wall.values()))} ({seconds(statistics.median(cpu.values()))})"
    if name == COLUMNS[0][0]:
        return text
    # Each against the run without tracking of the same round: what else the machine does changes from round to round.
    ratios = []
    for kind, ours in (("wall", wall), ("cpu", cpu)):
        paired = [value / base[kind][round] for round, value in ours.items() if round in base[kind]]
        if not paired:
            return text
        ratios.append(f"{(statistics.median(paired) - 1) * 100:+.1f} %")
    return f"{text} {ratios[0]} ({ratios[1]})"


def machine():
    model = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default="0.77.0,0.81.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long-rounds", type=int, default=1, help="rounds that have 1024 programs 101 ms apart too")
    parser.add_argument("--gaps", choices=("none", "some"), default="some", help="in the other rounds")
    parser.add_argument("--columns", default=",".join(name for name, _, _ in COLUMNS if name), help="which to run")
    parser.add_argument("--raw", help="a file to add each run to, as a line of JSON")
    parser.add_argument("--from", dest="earlier", action="append", default=[], help="runs that were kept with --raw")
    arguments = parser.parse_args()
    rows = []
    for path in arguments.earlier:
        rows += [json.loads(line) for line in open(path)]
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, rows, pathlib.Path(folder))
    loads = [row["load"] for row in rows]
    lost = sum(row["events"]["lost"] for row in rows if row["events"])
    reported = sum(row["events"]["reported"] for row in rows if row["events"])
    print(table(rows))
    print(f"\n{machine()}; load {min(loads):.1f} to {max(loads):.1f}; ttmem took {reported} events, lost {lost}.")


if __name__ == "__main__":
    main()
