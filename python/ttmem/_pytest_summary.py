"""What all tests did with device memory, told at the end; with pytest-xdist by the controller, for all workers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ttmem._sizes import show_bytes

LOST = "events were lost, so limits were not held; try TTMEM_RING_BYTES=67108864"


class Summary:
    """Collects the results of tests, and tells them."""

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
        self.note_totals(node.gateway.id, totals or {"trouble": "it ended without a word"})

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
            lines.append(f"{'peak on a device':>20}  {'in':<8}{'left behind':>12}{'growth':>12}  test")
            lines += [_row(test) for test in sorted(users, key=_weight, reverse=True)[: self._top]]
            if len(users) > self._top:
                lines.append(f"{'':>20}  {len(users) - self._top} more; --ttmem-top N shows N")
        lines += self._fixture_lines()
        lines += self._total_lines(tests, users)
        return lines

    def _fixture_lines(self) -> list[str]:
        held = [each for each in self._fixtures if each[2]["bytes"] > 0]
        if not held:
            return []
        lines = ["made by fixtures of wider scope, and no test's leak:"]
        for worker, nodeid, fixture in sorted(held, key=lambda each: -each[2]["bytes"])[: max(self._top, 0)]:
            where = f" in {worker}" if worker else ""
            lines.append(f"{show_bytes(fixture['bytes']):>20}  {fixture['name']}{where}, for {nodeid}")
        return lines

    def _total_lines(self, tests: list[dict[str, Any]], users: list[dict[str, Any]]) -> list[str]:
        leaking = [test for test in users if test["left"]["bytes"] > 0]
        left = sum(test["left"]["bytes"] for test in leaking)
        over = sum(1 for test in tests if test.get("is_over_limit"))
        line = f"{len(tests)} tests, {len(users)} with device memory on, {len(leaking)} left {show_bytes(left)} behind in all"
        lines = [line + (f", {over} over a limit" if over else "")]
        unknown = Counter(test["trouble"] or LOST for test in tests if not test["complete"])
        lines += [f"inconclusive for {count} of them: {why}" for why, count in sorted(unknown.items())]
        names = sorted(name for name in self._totals if name)
        if names:
            parts = []
            for name in names:
                own = [test for test in tests if test["worker"] == name]
                own_left = sum(test["left"]["bytes"] for test in own)
                parts.append(f"{name}: {len(own)} tests, {show_bytes(own_left)} left behind")
            lines.append("workers: " + "; ".join(parts))
        known = [totals for totals in self._totals.values() if "trouble" not in totals]
        reported, lost = (sum(totals[key] for totals in known) for key in ("reported", "lost"))
        lines.append(f"events: {reported:,} reported, {lost:,} lost")
        lines += [f"{name or 'events'}: {each['trouble']}" for name, each in sorted(self._totals.items()) if "trouble" in each]
        return lines


def _weight(test: dict[str, Any]) -> tuple[int, int]:
    return test["left"]["bytes"], max(row["peak"] for row in test["memory"].values())


def _row(test: dict[str, Any]) -> str:
    name, row = max(test["memory"].items(), key=lambda each: each[1]["peak"])
    # Circular buffers belong to cached programs, and lie over each other in L1.
    growth = sum(each["growth"] for memory, each in test["memory"].items() if memory != "CB")
    sign = "-" if growth < 0 else "+" if growth else ""
    peak = f"{show_bytes(row['peak'])} {name}"
    left = show_bytes(test["left"]["bytes"])
    worker = f" [{test['worker']}]" if test["worker"] else ""
    return (
        f"{peak:>20}  {row['phase'] or '':<8}{left:>12}{sign + show_bytes(abs(growth)):>12}  {test['nodeid']}{worker}"
    )
