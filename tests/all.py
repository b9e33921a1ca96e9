"""Runs every suite, as many at once as there are processors, and ends with a table: passed, failed, skipped, time, processor time.

    python3 tests/all.py [--check] [--jobs N] [NAME…]

A suite is a target of the Makefile. Its output is in target/test-logs, and is shown if it failed. A failed suite hides no other; the
exit code is 1 then. With --check, formatting and lints are a suite too.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "target" / "test-logs"


@dataclasses.dataclass
class Suite:
    name: str
    target: str
    after: tuple = ()
    # Compilers give way to suites that run programs.
    nice: int = 0
    # Its tests take times: nothing else runs.
    alone: bool = False
    outcome: str = ""
    seconds: float = 0
    processor: float = 0
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    skips: list = dataclasses.field(default_factory=list)
    failures: list = dataclasses.field(default_factory=list)

    @property
    def log(self):
        return LOGS / f"{self.name}.log"


def suites(check):
    """In the order in which they begin, if nothing holds them up: the longest ways first."""
    found = [
        Suite("build", "build"),
        Suite("compile", "test-compile", nice=5),
        Suite("ttnn", "test-ttnn", after=("build",)),
        Suite("python", "test-python", after=("build",)),
        Suite("docs", "test-docs", after=("build",)),
        Suite("install", "test-install", after=("build",)),
        Suite("export", "test-export", after=("build",)),
        Suite("model", "test-model", after=("build",), nice=5),
        Suite("loom", "test-loom", nice=5),
        Suite("shuttle", "test-shuttle", nice=5),
        Suite("rust", "test-rust", after=("build", "compile"), alone=True),
    ]
    return found + [Suite("check", "check", after=("build", "compile"), nice=5)] * check


def run(suite):
    """Runs it to its end, and counts."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ttmem-rings-") as rings, open(suite.log, "wb") as log:
        # No suite sees the rings of another.
        variables = os.environ | {"TTMEM_DIR": rings, "CARGO_TERM_COLOR": "never"}
        command = ["nice", "-n", str(suite.nice), os.environ.get("MAKE", "make"), "--no-print-directory", suite.target, "BUILD="]
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    suite.seconds, suite.processor = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    count(suite, suite.log.read_text(errors="replace"))
    suite.outcome = "ok" if process.returncode == 0 else "FAILED"
    return suite


def count(suite, text):
    """Reads what cargo and unittest print at the end of their tests."""
    counts = suite.counts
    for passed, failed in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", text, re.M):
        counts.update(passed=int(passed), failed=int(failed))
    for ran, rest in re.findall(r"^Ran (\d+) tests? in .*\n+(?:OK|FAILED|NO TESTS RAN)(.*)", text, re.M):
        of = {name: int(number) for name, number in re.findall(r"([a-z ]+)=(\d+)", rest.replace(", ", "("))}
        failed = sum(of.get(name, 0) for name in ("failures", "errors", "unexpected successes"))
        counts.update(passed=int(ran) - failed - of.get("skipped", 0), failed=failed)
    suite.skips = sorted(set(re.findall(r"^SKIPPED: (.*)", text, re.M)))
    suite.failures = re.findall(r"^test (\S+) \.\.\. FAILED$", text, re.M)
    # A traceback ends with an empty line, and its last words say what was wrong.
    for name, trace in re.findall(r"^(?:ERROR|FAIL): (.*)\n-+\n((?:.+\n)+)", text, re.M):
        words = re.search(r"^\w[\w.]*: .*", trace, re.M)
        suite.failures.append(f"{name}: {words[0] if words else trace.splitlines()[-1]}")
    # A Rust test that skips itself counts as passed with cargo.
    if "test result:" in text:
        counts["passed"] -= len(suite.skips)


def duration(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def run_all(waiting, jobs):
    """Runs each as soon as what it needs is there; yields them as they end."""
    running, ended = {}, {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            for suite in list(waiting):
                missing = [name for name in suite.after if name in ended and ended[name].outcome != "ok"]
                if missing:
                    suite.outcome = f"not run: {missing[0]} failed"
                elif not all(name in ended for name in suite.after) or len(running) == jobs:
                    continue
                elif suite.alone and (running or len(waiting) > 1):
                    continue
                else:
                    running[pool.submit(run, suite)] = suite
                waiting.remove(suite)
                if missing:
                    ended[suite.name] = suite
                    yield suite
            done = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done if running else ()
            for future in done:
                suite = running.pop(future)
                ended[suite.name] = future.result()
                yield suite


def table(done, seconds):
    total = sum((suite.counts for suite in done), collections.Counter())
    skipped = sum(len(suite.skips) for suite in done)
    print(f"\n{'suite':10}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>8}{'cpu':>8}")
    for suite in done:
        # Of the steps that are no tests, only how they ended is known.
        numbers = [suite.counts["passed"], suite.counts["failed"], len(suite.skips)] if suite.counts else ["-", "-", "-"]
        ending = "" if suite.outcome == "ok" else f"  {suite.outcome}"
        print(f"{suite.name:10}{numbers[0]:>8}{numbers[1]:>8}{numbers[2]:>9}{duration(suite.seconds):>8}"
              f"{duration(suite.processor):>8}{ending}")
    print(f"{'':33}{duration(seconds):>10}{duration(sum(suite.processor for suite in done)):>8}\n")
    for suite in done:
        for reason in suite.skips:
            print(f"SKIPPED: {suite.name}: {reason}")
        for failure in suite.failures:
            print(f"FAILED: {suite.name}: {failure}")
    # What failed without a failed test counts as one.
    failed = sum(max(suite.counts["failed"], suite.outcome != "ok") for suite in done)
    print(f"{total['passed']} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check formatting and lints too")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="run N suites at once")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run these suites alone, and what they need")
    options = parser.parse_args()
    found = {suite.name: suite for suite in suites(options.check)}
    if unknown := set(options.names) - set(found):
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    wanted = set(options.names) | {need for name in options.names for need in found[name].after}
    chosen = [suite for suite in found.values() if not wanted or suite.name in wanted]
    LOGS.mkdir(parents=True, exist_ok=True)
    started, done = time.monotonic(), []
    for suite in run_all(list(chosen), max(1, options.jobs)):
        done.append(suite)
        print(f"{suite.name}: {suite.outcome}, {duration(suite.seconds)}", flush=True)
        if suite.outcome == "FAILED":
            print(f"--- {suite.log.relative_to(ROOT)}\n{suite.log.read_text(errors='replace')}---", flush=True)
    return table(done, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
