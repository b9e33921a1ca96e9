"""What tracking costs ttnn programs with many distinct programs on 32 mock chips: ttmem beside tt-metal's own tracking.

    python3 benches/ttnn/cost.py [--versions 0.77.0,0.81.1] [--rounds 3] [--passes 10] [--long-rounds 1] [--raw FILE]

Needs `make build`. Wheels are taken as the tests of tests/ttnn take them. The programs of all columns are there at once and take
turns, in an order that changes: of 64 ops back to back, or of one where there are 101 ms between ops, in which the others have
theirs. For what else the machine does changes within seconds, by more than what is measured. (tt-metal's own tracking of 0.81 looks
around each 100 ms by the clock, so here once a turn at least.) Told are medians, of each pass against those without tracking beside
it. One process is faster than the next by some percent, whatever it runs, so each round has new ones, made in another order; "no
tracking again" shows what is left of that: it is held against "no tracking", the others against the mean of the two. Prints a table
in Markdown; --raw keeps every figure, and is read back by --from, so that rounds can be added later.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import random
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
# Ops of a turn back to back. So few that the machine is as fast in the next; so many that waking up does not matter.
TURN = 64
# For ttmem's reader to finish what a turn has left, s.
PAUSE = 0.015
COUNTS = (64, 256, 1024)
# Where rings lie by default. On a disk the system makes their pages read-only each time that it has written them, and the program
# that reports next pays for it.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
OFF = {"TT_METAL_SHM_TRACKING_DISABLED": "1"}

# Name of the column, what is added to the environment, and whether ttmem runs the program ("run"), or the library is
# preloaded and nobody drains ("preload"), into a ring that holds all: that shows what the hooks cost by themselves,
# without the reader's processor.
COLUMNS = (
    ("no tracking", OFF, None),
    ("no tracking again", OFF, None),
    ("library alone", OFF | {"TTMEM_RING_BYTES": str(512 << 20)}, "preload"),
    ("ttmem", OFF, "run"),
    ("ttmem without call sites", OFF | {"TTMEM_STACKS": "off"}, "run"),
    ("tt-metal's own", {}, None),
    ("both", {}, "run"),
)
BASES = [name for name, _, _ in COLUMNS[:2]]


def tracked(command, how, library, *options):
    """The command of a column's program, and what it wants in its environment. `options` are those of `ttmem run`."""
    if how == "run":
        return [TTMEM, "run", "--quiet", *options, "--", *command], {"TTMEM_LIBRARY": library}
    return command, {"LD_PRELOAD": library} if how == "preload" else {}


class Program:
    """One column's program, which waits to be told while others have their turn."""

    def __init__(self, python, shared, folder, column, most):
        """`shared`: where kernels that one has compiled are there for the next. `most`: programs of a pass."""
        self.column, variables, how = column
        self.report = folder / "report.json"
        folder.mkdir(parents=True, exist_ok=True)
        environment = wheel.environment("wormhole-32", shared) | {"TTMEM_DIR": str(folder / "rings")}
        environment.pop("TT_METAL_SHM_TRACKING_DISABLED", None)
        command = [python, str(HERE / "distinct_programs.py"), "8", "4", str(most)]
        if how == "preload":
            shutil.rmtree(folder / "rings", ignore_errors=True)
        library = os.environ.get("TTMEM_LIBRARY") or str(pathlib.Path(TTMEM).parent / "libttmem.so")
        command, tracking = tracked(command, how, library, "--json", str(self.report))
        self.is_run = how == "run"
        self.errors = open(folder / "errors", "w+")
        self.process = subprocess.Popen(
            command,
            env=environment | variables | tracking,
            cwd=shared,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.ready()

    def line(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.errors.seek(0)
        sys.exit(f"cost.py: {self.column}: {self.errors.read()[-2000:]}")

    def tell(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ready(self):
        """Waits until it has compiled all kernels, or made the operands of its next op."""
        for line in self.process.stdout:
            if line == "READY\n":
                return
        self.line()

    def end(self):
        """How many events ttmem took, and lost."""
        self.process.stdin.close()
        if self.process.wait(timeout=600) != 0:
            sys.exit(f"cost.py: {self.column}: ended with {self.process.returncode}")
        if not self.is_run:
            return None
        events = [process["events"] for process in json.loads(self.report.read_text())["processes"]]
        return {key: sum(one[key] for one in events) for key in ("reported", "lost")}


def one_pass(programs, count, gap):
    """A pass of each, all at once: they take turns, so that what the machine does within a second is the same for all. Where there
    is a `gap` between two ops of one program, the others have theirs in it."""
    length = 1 if gap else TURN
    for program in programs:
        program.tell(f"{count}:{length}")
        program.ready()
    last = math.ceil(count / length) - 1
    for number in range(last + 1):
        # Who goes before whom changes, and none has its next turn too early for that.
        if number % 8 == 0 or not gap:
            time.sleep(gap)
            order = random.sample(programs, len(programs))
        for program in order:
            program.tell()
            if number == last:
                program.figures = program.line()
            else:
                program.ready()
            time.sleep(gap / len(programs) or PAUSE)
    return [(program, program.figures | {"gap": gap}) for program in programs]


def measure(arguments, rows, folder):
    chosen = arguments.columns.split(",")
    columns = [column for column in COLUMNS if column[0] in chosen]
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    pythons = {version: wheel.python_with_ttnn(version) for version in arguments.versions.split(",")}
    for round in range(arguments.rounds):
        for version, python in pythons.items():
            shared = folder / version
            made_in = random.sample(columns, len(columns))
            # The long rounds come last.
            gaps = "all" if round >= arguments.rounds - arguments.long_rounds else arguments.gaps
            wanted = passes(arguments, gaps)
            most = max(count for count, _ in wanted)
            programs = [
                Program(python, shared, shared / f"column-{number}", column, most) for number, column in enumerate(made_in)
            ]
            made = []
            for number, (count, gap) in enumerate(wanted):
                for program, pass_of_it in one_pass(programs, count, gap):
                    row = {"version": version, "column": program.column, "pass": f"{began}, {round}, {number}"}
                    made.append(row | {"load": os.getloadavg()[0]} | pass_of_it)
                    walls = ", ".join(f"{at['wall']:.3f}" for at in pass_of_it["at"].values())
                    print(f"{time.strftime('%H:%M:%S')} {version} {program.column}: {gap} s, {walls} s", file=sys.stderr)
            made += [{"version": version, "column": program.column, "events": program.end()} for program in programs]
            rows += made
            if arguments.raw:
                with open(arguments.raw, "a") as raw:
                    raw.writelines(json.dumps(row) + "\n" for row in made)


def passes(arguments, gaps):
    """`gaps`: "none", "some" (256 programs, twice) or "all" (1024, which takes minutes)."""
    with_gaps = {"none": [], "some": [(COUNTS[1], GAP)] * 2, "all": [(max(COUNTS), GAP)]}
    return [(arguments.programs, 0.0)] * arguments.passes + with_gaps[gaps]


def samples(rows, version, column, count, gap, kind):
    """By pass: the figure of this cell."""
    found = {}
    for row in rows:
        if (row["version"], row["column"]) == (version, column) and row.get("gap") == gap:
            # Keys of numbers come back from a file as text.
            at = {int(key): value for key, value in row["at"].items()}
            if count in at:
                found[row["pass"]] = at[count][kind]
    return found


def seconds(value):
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def table(rows):
    names = [name for name, _, _ in COLUMNS]
    lines = [
        "| ttnn | programs | between ops | passes | " + " | ".join(names) + " |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for version in sorted({row["version"] for row in rows}):
        for gap, pause in ((0.0, "nothing"), (GAP, "101 ms")):
            for count in COUNTS:
                taken = {
                    name: {kind: samples(rows, version, name, count, gap, kind) for kind in ("wall", "cpu")} for name in names
                }
                made = len(taken[BASES[0]]["wall"])
                if not made:
                    continue
                cells = [cell(taken, name) for name in names]
                lines.append(f"| {version} | {count} | {pause} | {made} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def base(taken, name, kind):
    """By pass: the figure without tracking that this column's is held against."""
    first, again = (taken[column][kind] for column in BASES)
    if name == BASES[1] or not again:
        return first
    return {turn: math.sqrt(value * again[turn]) for turn, value in first.items() if turn in again}


def cell(taken, name):
    wall, cpu = taken[name]["wall"], taken[name]["cpu"]
    if not wall:
        return "-"
    text = f"{seconds(statistics.median(wall.values()))} ({seconds(statistics.median(cpu.values()))})"
    if name == BASES[0]:
        return text
    ratios = []
    for kind, ours in (("wall", wall), ("cpu", cpu)):
        rounds = {}
        without = base(taken, name, kind)
        for turn, value in ours.items():
            if turn in without:
                # The name of a pass ends with its number in the round.
                rounds.setdefault(turn.rpartition(",")[0], []).append(math.log(value / without[turn]))
        if not rounds:
            return text
        ratios.append(change(list(rounds.values())))
    return f"{text} {ratios[0]} ({ratios[1]})"


def change(rounds):
    """Of the logarithms of ratios, round by round: what the median adds, and where there are enough rounds, what their mean
    adds with its standard error."""

    median = statistics.median(value for values in rounds for value in values)
    if len(rounds) < 3:
        return f"{percent(median)} %"
    return f"{percent(median)} %, mean {mean_change([statistics.mean(values) for values in rounds])}"


def mean_change(logarithms):
    """What the mean of ratios with these logarithms adds, with its standard error where there is one."""
    mean = percent(statistics.mean(logarithms))
    if len(logarithms) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(logarithms) / math.sqrt(len(logarithms)) * 100:.1f}"


def percent(logarithm):
    return f"{(math.exp(logarithm) - 1) * 100:+.1f}"


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
    parser.add_argument("--passes", type=int, default=10, help="back to back, in one round")
    parser.add_argument("--programs", type=int, default=max(COUNTS), help="in a pass back to back")
    parser.add_argument("--long-rounds", type=int, default=1, help="rounds that have 1024 programs 101 ms apart too")
    parser.add_argument(
        "--gaps", choices=("none", "some"), default="some", help="in the other rounds: 256 programs 101 ms apart, or none"
    )
    parser.add_argument("--columns", default=",".join(name for name, _, _ in COLUMNS if name), help="which to run")
    parser.add_argument("--raw", help="a file to add each pass to, as a line of JSON")
    parser.add_argument("--from", dest="earlier", action="append", default=[], help="passes that were kept with --raw")
    arguments = parser.parse_args()
    rows = []
    for path in arguments.earlier:
        rows += [json.loads(line) for line in open(path)]
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        measure(arguments, rows, pathlib.Path(folder))
    loads = [row["load"] for row in rows if "load" in row]
    events = [row["events"] for row in rows if row.get("events")]
    reported, lost = (sum(one[key] for one in events) for key in ("reported", "lost"))
    print(table(rows))
    print(f"\n{machine()}; load {min(loads):.1f} to {max(loads):.1f}; ttmem took {reported} events, lost {lost}.")


if __name__ == "__main__":
    main()
