"""Measures every test of this process: a region each, with its phases, and the verdict on its limits.

A verdict needs the end of the teardown, and pytest shows a test's outcome before it. So the reports of a test are held back
until all of it is over: by running its phases ourselves, as the rerunfailures plugin does too; where that plugin runs them, at
the first report that it shows.
"""

from __future__ import annotations

import gc
import os
from typing import Any, Generator

import pytest
from _pytest.runner import runtestprotocol

from ttmem import _region
from ttmem._follow import Follow, FollowError
from ttmem._pytest_limits import BadLimit, Limits, limits_of
from ttmem._pytest_result import complaints, listing, result, trouble


class Attempt:
    """One run of a test, which may be run again."""

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.identity = _region.begin(item.nodeid)
        self.reports: dict[str, pytest.TestReport] = {}
        self.was_shown = False
        self.is_measured = False
        self.is_in_teardown = False
        #: What was found before fixtures of wider scope were torn down, if any are with this test.
        self.found: dict[str, Any] | None = None

    def let_go_of_values(self) -> None:
        """Drops what fixtures of function scope gave: they are torn down, and pytest drops it only a little later."""
        values = getattr(self.item, "funcargs", None) or {}
        fixtures = getattr(getattr(self.item, "_fixtureinfo", None), "name2fixturedefs", {})
        for name in list(values):
            if name in fixtures and fixtures[name][-1].scope == "function":
                del values[name]

    @property
    def awaits_verdict(self) -> bool:
        return "teardown" in self.reports and not self.is_measured


class Measure:
    """The plugin in a process that runs tests."""

    def __init__(self, config: pytest.Config, leaks_of_all: int | None) -> None:
        self._leaks_of_all = leaks_of_all
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        self._reruns = config.pluginmanager.hasplugin("rerunfailures")
        self._attempt: Attempt | None = None
        self._follow = Follow()
        # The ring is made, and drained, from here on.
        self._follow.ask("now")

    # Phases.

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, None]:
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
        # What it makes lives longer than this test, and is not this test's.
        with _region.region(f"fixture {fixturedef.argname} ({fixturedef.scope})", apart=True):
            yield
        # The last to be added is the first to be called: before its own teardown.
        fixturedef.addfinalizer(self._look_before_wider_teardown)

    def _look_before_wider_teardown(self) -> None:
        """No other test wants the fixture, so it goes with this test: what that frees (a device that is closed frees all) must
        not hide what the test left."""
        attempt = self._attempt
        if attempt is not None and attempt.is_in_teardown and attempt.found is None and not attempt.is_measured:
            attempt.let_go_of_values()
            attempt.found = self._look(attempt)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:
        outcome = yield
        attempt = self._attempt
        if attempt is not None and attempt.item is item and outcome.excinfo is None:
            attempt.reports[call.when] = outcome.get_result()

    # Who runs them.

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
            if attempt.awaits_verdict and not attempt.was_shown:
                self._judge()
            attempt.was_shown = True

    def _judge(self) -> None:
        """The test is over: its region ends, and its reports say what it did."""
        attempt = self._attempt
        if attempt is None or not attempt.awaits_verdict:
            return
        attempt.is_measured = True
        item = attempt.item
        found = self._look(attempt) if attempt.found is None else attempt.found
        _region.end(attempt.identity)
        limits = Limits()
        try:
            limits = limits_of(item, self._leaks_of_all)
        except BadLimit:
            # It has failed by this already.
            pass
        texts: list[str] = []
        if found["trouble"] is not None:
            if limits != Limits():
                texts = [f"device memory: nothing is known of it: {found['trouble']}"]
        elif found["complete"]:
            texts = complaints(found, limits)
        found["is_over_limit"] = bool(texts)
        _tell(attempt, found, texts)

    def _look(self, attempt: Attempt) -> dict[str, Any]:
        nodeid = attempt.item.nodeid
        try:
            answer = self._follow.ask("region", id=attempt.identity)
            if answer["region"]["left_behind"]["buffers"] > 0:
                # What only a reference cycle holds is no leak; collecting costs, so only where it can matter.
                gc.collect()
                answer = self._follow.ask("region", id=attempt.identity)
            return result(nodeid, self._worker, answer)
        except FollowError as error:
            return trouble(nodeid, self._worker, str(error))

    def judge_late(self, item: pytest.Item) -> None:
        """Another plugin has run the phases and shown their reports: the verdict comes as one more."""
        attempt = self._attempt
        if attempt is None or attempt.item is not item or not attempt.awaits_verdict:
            return
        shown = attempt.reports["teardown"]
        late = pytest.TestReport(item.nodeid, item.location, dict(shown.keywords), "passed", None, "teardown")
        attempt.reports["teardown"] = late
        self._judge()
        item.ihook.pytest_runtest_logreport(report=late)

    # The end.

    def totals(self) -> dict[str, Any]:
        """What became of this process's events."""
        try:
            return self._follow.ask("now")["events"]
        except FollowError as error:
            return {"trouble": str(error)}

    def leave(self) -> None:
        self._follow.leave()


class Latecomer:
    """Sees that no test goes without a verdict, whoever runs its phases."""

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


def _tell(attempt: Attempt, found: dict[str, Any], texts: list[str]) -> None:
    """Writes a test's result into its reports, and fails it where it went over a limit."""
    reports = attempt.reports
    call = reports.get("call")
    last = reports["teardown"]
    last.ttmem = found  # type: ignore[attr-defined]
    last.user_properties.append(("device_memory_left_behind_bytes", found["left"]["bytes"]))
    peaks = [row["peak"] for row in found["memory"].values()]
    last.user_properties.append(("device_memory_peak_bytes", max(peaks, default=0)))
    failed = next((report for report in reports.values() if report.failed), None)
    if failed is not None and not _is_unexpected_success(failed):
        if found["out_of_memory"]:
            failed.sections.append(("device memory: refused during the test", found["out_of_memory"].rstrip()))
        # It has failed anyway, and its traceback holds what its functions held.
        if found["left"]["buffers"] > 0:
            lines = ["left behind (a failed test's traceback keeps what its functions held):", *listing(found)]
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
