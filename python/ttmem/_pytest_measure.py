"""Measures every test of this process: a region each, with its phases, and the judgement by its limits.

A judgement needs the end of the teardown, and pytest shows a test's outcome before it. So this plugin holds the reports of a
test back until its teardown is over: it runs the phases itself, as the rerunfailures plugin does too. Where that plugin runs
them, it judges at the first report that is shown.
"""

from __future__ import annotations

import gc
import os
import re
from typing import Any, Generator

import pytest
from _pytest.runner import runtestprotocol

from ttmem import _region, mark
from ttmem._follow import Follow, FollowError
from ttmem._pytest_limits import BadLimit, Limits, limits_of
from ttmem._pytest_recordings import Recordings
from ttmem._pytest_result import complaints, listing, result, trouble


class Attempt:
    """One run of a test, which may be run again."""

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.region = _region.begin(item.nodeid)
        self.reports: dict[str, pytest.TestReport] = {}
        self.was_shown = False
        self.is_measured = False
        self.is_in_teardown = False
        #: The result from before the teardown of fixtures of wider scope, if this test tears any down.
        self.found: dict[str, Any] | None = None

    def drop_values(self) -> None:
        """Drops the values of fixtures of function scope: these are torn down, and pytest drops the values only a little later."""
        values = getattr(self.item, "funcargs", None) or {}
        fixtures = getattr(getattr(self.item, "_fixtureinfo", None), "name2fixturedefs", {})
        for name in list(values):
            if name in fixtures and fixtures[name][-1].scope == "function":
                del values[name]

    @property
    def awaits_judgement(self) -> bool:
        return "teardown" in self.reports and not self.is_measured


class Measure:
    """The plugin in a process that runs tests."""

    def __init__(
        self, config: pytest.Config, leftover_of_all: int | None, suppressions: str | None, recordings: str | None
    ) -> None:
        self._leftover_of_all = leftover_of_all
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        self._reruns = config.pluginmanager.hasplugin("rerunfailures")
        self._attempt: Attempt | None = None
        #: Names of the tests so far, numbers as `#`.
        self._names: set[str] = set()
        self._follow = Follow(suppressions)
        # The library makes the ring now, and the command drains it from here on.
        self._follow.ask("now")
        each_runs_all = getattr(config, "workerinput", {}).get("ttmem_each_runs_all", False)
        self._recordings = Recordings(self._follow, recordings, f"@{self._worker}" if each_runs_all else "")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._recordings.know(item.nodeid for item in session.items)

    # Phases.

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._recordings.begin(item.nodeid)
        self._attempt = Attempt(item)
        with _region.region("setup"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        with _region.region("call"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, None]:
        if self._attempt is not None:
            self._attempt.is_in_teardown = True
        with _region.region("teardown"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, None]:
        if fixturedef.scope == "function":
            yield
            return
        # Its allocations live longer than this test, and are no leftover of it.
        with _region.region(f"fixture {fixturedef.argname} ({fixturedef.scope})", apart=True):
            yield
        # The last to be added is the first to be called: before its own teardown.
        fixturedef.addfinalizer(self._look_before_wider_teardown)

    def _look_before_wider_teardown(self) -> None:
        """No other test wants the fixture, so this test tears it down. What that frees (the close of a device frees all) must
        not hide what the test left."""
        attempt = self._attempt
        if attempt is not None and attempt.is_in_teardown and attempt.found is None and not attempt.is_measured:
            attempt.drop_values()
            attempt.found = self._look(attempt)
            self._recordings.end()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:
        outcome = yield
        attempt = self._attempt
        if attempt is not None and attempt.item is item and outcome.excinfo is None:
            attempt.reports[call.when] = outcome.get_result()

    # Running them.

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if self._reruns and _may_be_rerun(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        self._judge()
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        attempt = self._attempt
        if attempt is not None and attempt.item.nodeid == report.nodeid:
            if attempt.awaits_judgement and not attempt.was_shown:
                self._judge()
            attempt.was_shown = True

    def _judge(self) -> None:
        """The test is over: its region ends, and its reports get the result."""
        attempt = self._attempt
        if attempt is None or not attempt.awaits_judgement:
            return
        attempt.is_measured = True
        item = attempt.item
        found = self._look(attempt) if attempt.found is None else attempt.found
        _region.end(attempt.region)
        self._recordings.end()
        found["recording"] = self._recordings.trouble
        self._mark_repeated(item.nodeid)
        limits = Limits()
        try:
            limits = limits_of(item, self._leftover_of_all)
        except BadLimit:
            # It has failed by this already.
            pass
        texts: list[str] = []
        if found["trouble"] is not None:
            if limits != Limits():
                texts = [f"device memory: not measured: {found['trouble']}"]
        elif found["complete"]:
            texts = complaints(found, limits)
        found["is_over_limit"] = bool(texts)
        _write_result(attempt, found, texts)

    def _mark_repeated(self, nodeid: str) -> None:
        """Marks the end of a test that ran before, under the same name but for numbers: these marks are a loop, over which
        ttmem finds growth."""
        name = re.sub(r"[0-9]+", "#", nodeid)
        if name in self._names:
            mark(nodeid)
        self._names.add(name)

    def _look(self, attempt: Attempt) -> dict[str, Any]:
        nodeid = attempt.item.nodeid
        try:
            answer = self._follow.ask("region", id=f"r{attempt.region}")
            found = result(nodeid, self._worker, answer)
            if found["leftover"]["allocations"] > 0:
                # What only a reference cycle holds is no leftover. A collection takes time, so only where it can matter.
                gc.collect()
                answer = self._follow.ask("region", id=f"r{attempt.region}")
                found = result(nodeid, self._worker, answer)
            return found
        except FollowError as error:
            return trouble(nodeid, self._worker, str(error))

    def judge_late(self, item: pytest.Item) -> None:
        """Another plugin has run the phases and shown their reports: the judgement comes as one more report."""
        attempt = self._attempt
        if attempt is None or attempt.item is not item or not attempt.awaits_judgement:
            return
        shown = attempt.reports["teardown"]
        late = pytest.TestReport(item.nodeid, item.location, dict(shown.keywords), "passed", None, "teardown")
        attempt.reports["teardown"] = late
        self._judge()
        item.ihook.pytest_runtest_logreport(report=late)

    # The end.

    def totals(self) -> dict[str, Any]:
        """What became of this process's events, and the verdict on it if that is a leak."""
        try:
            events = self._follow.ask("now")["events"]
            verdict = self._follow.ask("verdict")["verdict"]
        except FollowError as error:
            return {"trouble": str(error)}
        # Time alone is no loop of tests: what they leave piles up as they come.
        is_leak = verdict["answer"] == "leak" and any(leak["point"] != "time" for leak in verdict["leaks"])
        return {**events, "leak": verdict["text"] if is_leak else None}

    def leave(self) -> None:
        self._follow.leave()


class Latecomer:
    """Judges every test, also where another plugin runs its phases."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        yield
        self._measure.judge_late(item)


def _may_be_rerun(item: pytest.Item) -> bool:
    """Whether the rerunfailures plugin runs the test's phases."""
    try:
        from pytest_rerunfailures import get_reruns_count
    except ImportError:
        return item.get_closest_marker("flaky") is not None or bool(item.config.getoption("reruns", None))
    return get_reruns_count(item) is not None


def _write_result(attempt: Attempt, found: dict[str, Any], texts: list[str]) -> None:
    """Writes a test's result into its reports, and fails the test if it went over a limit."""
    reports = attempt.reports
    call = reports.get("call")
    last = reports["teardown"]
    last.ttmem = found  # type: ignore[attr-defined]
    last.user_properties.append(("device_memory_left_behind_bytes", found["left_behind"]["bytes"]))
    last.user_properties.append(("device_memory_leftover_bytes", found["leftover"]["bytes"]))
    peaks = [row["peak"] for row in found["memory"].values()]
    last.user_properties.append(("device_memory_peak_bytes", max(peaks, default=0)))
    failed = next((report for report in reports.values() if report.failed), None)
    if failed is not None and not _is_unexpected_success(failed):
        if found["out_of_memory"]:
            failed.sections.append(("device memory: refused during the test", found["out_of_memory"].rstrip()))
        # It has failed anyway, and its traceback keeps what its functions held.
        if found["leftover"]["allocations"] > 0:
            lines = ["leftover (a failed test's traceback keeps what its functions held):", *listing(found)]
            failed.sections.append(("device memory", "\n".join(lines)))
        return
    if not texts:
        return
    if call is not None and hasattr(call, "wasxfail") or failed is not None:
        _fail_as_expected(attempt.item, call or last)
        return
    report = last if call is None or attempt.was_shown else call
    report.outcome = "failed"
    report.longrepr = _representation(attempt.item, "\n".join(texts))


def _is_unexpected_success(report: pytest.TestReport) -> bool:
    return isinstance(report.longrepr, str) and report.longrepr.startswith("[XPASS(strict)]")


def _fail_as_expected(item: pytest.Item, report: pytest.TestReport) -> None:
    mark = item.get_closest_marker("xfail")
    reason = mark.kwargs.get("reason", "") if mark is not None else ""
    report.outcome = "skipped"
    report.wasxfail = getattr(report, "wasxfail", reason)  # type: ignore[attr-defined]
    report.longrepr = None


def _representation(item: pytest.Item, text: str) -> Any:
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception:
        return item.repr_failure(pytest.ExceptionInfo.from_current())
