"""What all tests did with device memory, at the end; with pytest-xdist by the controller, for all workers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ttmem._pytest_limits import OF_PROGRAMS
from ttmem._pytest_result import NOTHING, show_amount
from ttmem._sizes import show_bytes

LOST = "events were lost, so no limit was checked; try TTMEM_RING_BYTES=67108864"


class Summary:
    """Collects the results of tests, and writes them."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._results: dict[str, dict[str, Any]] = {}
        self._fixtures: list[tuple[str, str, dict[str, Any]]] = []
        self._totals: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = getattr(report, "ttmem", None)
        if found is not None:
            # Of a test that was run again, the last run.
            self._results[report.nodeid] = found
            self._fixtures += [(found["worker"], report.nodeid, fixture) for fixture in found["fixtures"]]

    def note_totals(self, worker: str, totals: dict[str, Any]) -> None:
        """What became of a process's events; "" is the process without xdist."""
        self._totals[worker] = totals

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        totals = getattr(node, "workeroutput", {}).get("ttmem")
        self.note_totals(node.gateway.id, totals or {"trouble": "the worker ended without its sums"})

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        tests = list(self._results.values())
        if not tests and not self._totals:
            return
        terminalreporter.section("device memory")
        for line in self._lines(tests):
            terminalreporter.write_line(line)

    def _lines(self, tests: list[dict[str, Any]]) -> list[str]:
        users = [test for test in tests if test["memory"]]
        lines = []
        if users and self._top > 0:
            lines.append(f"{'peak on a device':>20}  {'in':<8}{'leftover':>12}{'change':>12}  test")
            lines += [_row(test) for test in sorted(users, key=_weight, reverse=True)[: self._top]]
            if len(users) > self._top:
                lines.append(f"{'':>20}  {len(users) - self._top} more; --ttmem-top N shows N")
        lines += self._fixture_lines()
        lines += _suppressed_lines(tests)
        lines += self._total_lines(tests, users)
        return lines

    def _fixture_lines(self) -> list[str]:
        held = [each for each in self._fixtures if each[2]["bytes"] > 0]
        if not held:
            return []
        lines = ["made by fixtures of wider scope, and no leftover of a test:"]
        for worker, nodeid, fixture in sorted(held, key=lambda each: -each[2]["bytes"])[: max(self._top, 0)]:
            where = f" in {worker}" if worker else ""
            lines.append(f"{show_bytes(fixture['bytes']):>20}  {fixture['name']}{where}, for {nodeid}")
        return lines

    def _total_lines(self, tests: list[dict[str, Any]], users: list[dict[str, Any]]) -> list[str]:
        leaving = [test for test in users if test["leftover"]["bytes"] > 0]
        of = f" ({show_bytes(_sum(leaving, 'leftover')['bytes'])} in total)" if leaving else ""
        over = sum(1 for test in tests if test.get("is_over_limit"))
        line = f"{len(tests)} tests, {len(users)} with device memory, {len(leaving)} with leftover allocations{of}"
        lines = [line + (f", {over} over a limit" if over else "")]
        unknown = Counter(test["trouble"] or LOST for test in tests if not test["complete"])
        lines += [f"inconclusive for {count} of them: {why}" for why, count in sorted(unknown.items())]
        unwritten = Counter(test["recording"] for test in tests if test.get("recording"))
        lines += [f"no whole recording of {count} of them: {why}" for why, count in sorted(unwritten.items())]
        totals = sorted(self._totals.items())
        parts = []
        for name in filter(None, self._totals):
            own = [test for test in tests if test["worker"] == name]
            parts.append(f"{name}: {len(own)} tests, {show_bytes(_sum(own, 'leftover')['bytes'])} leftover")
        lines += ["workers: " + "; ".join(sorted(parts))] if parts else []
        lines += [f"{name}: {each['leak']}" if name else each["leak"] for name, each in totals if each.get("leak")]
        known = [each for _, each in totals if "trouble" not in each]
        reported, lost = (sum(each[key] for each in known) for key in ("reported", "lost"))
        lines.append(f"events: {reported:,} reported, {lost:,} lost")
        lines += [f"{name or 'events'}: {each['trouble']}" for name, each in totals if "trouble" in each]
        return lines


def _sum(tests: list[dict[str, Any]], name: str) -> dict[str, int]:
    return {part: sum(test[name][part] for test in tests) for part in NOTHING}


def _suppressed_lines(tests: list[dict[str, Any]]) -> list[str]:
    """Each rule, and the tests of which it covers something."""
    rules: dict[tuple[int, str], list[tuple[str, dict[str, int]]]] = {}
    for test in tests:
        for used in test["suppressions"]:
            amount = {"allocations": used["regions"], "bytes": used["bytes"]}
            rules.setdefault((used["line"], used["rule"]), []).append((test["nodeid"], amount))
    lines = []
    for (line, rule), covered in sorted(rules.items()):
        amount = {part: sum(each[part] for _, each in covered) for part in NOTHING}
        more = f" and {len(covered) - 1} more" if len(covered) > 1 else ""
        lines.append(f"{show_bytes(amount['bytes']):>20}  {show_amount(amount)} of {covered[0][0]}{more}, by line {line}: {rule}")
    return ["suppressed, and no leftover:", *lines] if lines else []


def _weight(test: dict[str, Any]) -> tuple[int, int]:
    return test["leftover"]["bytes"], max(row["peak"] for row in test["memory"].values())


def _row(test: dict[str, Any]) -> str:
    name, row = max(test["memory"].items(), key=lambda each: each[1]["peak"])
    # Circular buffers belong to cached programs, and lie over each other in L1.
    change = sum(each["change"] for memory, each in test["memory"].items() if memory not in OF_PROGRAMS)
    sign = "-" if change < 0 else "+" if change else ""
    peak = f"{show_bytes(row['peak'])} {name}"
    leftover = show_bytes(test["leftover"]["bytes"])
    worker = f" [{test['worker']}]" if test["worker"] else ""
    return (
        f"{peak:>20}  {row['phase'] or '':<8}{leftover:>12}{sign + show_bytes(abs(change)):>12}  {test['nodeid']}{worker}"
    )
