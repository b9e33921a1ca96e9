"""The pytest plugin: device memory by test. `pytest --ttmem`; see docs/python.md.

It is loaded by its entry point where the package is installed, else by `-p ttmem.pytest_plugin`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Generator

import pytest

from ttmem import start
from ttmem._find import COMMAND_MISSING, find_command
from ttmem._follow import FollowError, check_suppressions
from ttmem._pytest_limits import MARKERS, BadLimit, limits_of, marks_of
from ttmem._pytest_recordings import check_folder
from ttmem._sizes import parse_size

#: Options, as error messages name them.
LIMIT_LEFTOVER, SUPPRESSIONS, RECORDINGS = "--ttmem-limit-leftover", "--ttmem-suppressions", "--ttmem-recordings"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ttmem", "device memory (ttmem)")
    group.addoption("--ttmem", action="store_true", help="measure the device memory of every test, with a summary at the end")
    group.addoption(
        "--ttmem-top", type=int, metavar="N", help="list N tests in the summary, the largest leftover first (10)"
    )
    group.addoption(
        LIMIT_LEFTOVER,
        "--ttmem-limit-leaks",
        dest="ttmem_limit_leftover",
        metavar="BYTES",
        help='fail every test with leftover allocations of more than BYTES ("0 B", "24 MB", "24 MiB"), which its owners never '
        "freed; a test's own mark limit_device_leftover takes the place of it",
    )
    group.addoption(
        SUPPRESSIONS,
        dest="ttmem_suppressions",
        metavar="FILE",
        help="read what is known and no leftover from FILE: rules, one a line (`ttmem explain suppressions`)",
    )
    group.addoption(
        RECORDINGS,
        dest="ttmem_recordings",
        metavar="DIR",
        help="write a recording of each test to DIR, named by the test, for `ttmem report`, `export` and `diff`",
    )
    parser.addini("ttmem", "true: as with --ttmem", type="bool", default=False)
    parser.addini("ttmem_top", "the N of --ttmem-top")
    parser.addini("ttmem_limit_leftover", f"the BYTES of {LIMIT_LEFTOVER}")
    parser.addini("ttmem_suppressions", f"the FILE of {SUPPRESSIONS}, from the folder of this file")
    parser.addini("ttmem_recordings", f"the DIR of {RECORDINGS}, from the folder of this file")


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _is_asked(config: pytest.Config) -> bool:
    """Whether every test is measured: by the option, or the ini file."""
    return bool(config.getoption("--ttmem") or config.getini("ttmem"))


def _top(config: pytest.Config) -> int:
    asked = config.getoption("--ttmem-top")
    if asked is not None:
        return int(asked)
    named = config.getini("ttmem_top") or "10"
    if not named.isdigit():
        raise pytest.UsageError(f"ttmem_top = {named}: no number of tests")
    return int(named)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS.values():
        config.addinivalue_line("markers", line)
    leftover_of_all = _limit_of_all(config)
    for option, asked in ((SUPPRESSIONS, config.option.ttmem_suppressions), (RECORDINGS, config.option.ttmem_recordings)):
        if not _is_asked(config) and asked is not None:
            raise pytest.UsageError(f"{option} needs --ttmem")
    if not config.getoption("collectonly", False):
        # Absolute paths, since xdist gives the options to workers in any folder.
        config.option.ttmem_suppressions = _suppressions(config)
        config.option.ttmem_recordings = _recordings(config)
        activation = Activation(config, leftover_of_all)
        config.pluginmanager.register(activation if _is_asked(config) else OnDemand(activation), "ttmem-activation")


def _limit_of_all(config: pytest.Config) -> int | None:
    """The bytes of --ttmem-limit-leftover."""
    asked, name = config.option.ttmem_limit_leftover, LIMIT_LEFTOVER
    if asked is None:
        asked, name = config.getini("ttmem_limit_leftover"), "ttmem_limit_leftover"
    if not asked:
        return None
    if not _is_asked(config):
        raise pytest.UsageError(f"{name} needs --ttmem")
    try:
        return parse_size(asked)
    except ValueError as error:
        raise pytest.UsageError(f"{name}: {error}") from None


def _suppressions(config: pytest.Config) -> str | None:
    """The suppression file: of the option; else None where TTMEM_SUPPRESSIONS names one, which the command reads by itself;
    else of the ini file."""
    named = "" if os.environ.get("TTMEM_SUPPRESSIONS") else config.getini("ttmem_suppressions")
    return _path(config, config.option.ttmem_suppressions, named)


def _recordings(config: pytest.Config) -> str | None:
    """The folder for recordings, where every test is measured."""
    folder = _path(config, config.option.ttmem_recordings, config.getini("ttmem_recordings")) if _is_asked(config) else None
    if folder is not None:
        check_folder(folder)
    return folder


def _path(config: pytest.Config, asked: str | None, named: str) -> str | None:
    """What an option asks for, from where pytest was started; else what the ini file names, from its folder."""
    if asked is not None:
        return str(config.invocation_params.dir / asked)
    folder = config.rootpath if config.inipath is None else config.inipath.parent
    return str(folder / named) if named else None


class OnDemand:
    """Without --ttmem: measures if a test has a limit. Where that cannot be, such a test fails, rather than pass unmeasured."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._trouble: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        plugins = session.config.pluginmanager
        if plugins.hasplugin("dsession") or not any(marks_of(item) for item in session.items):
            return
        try:
            self._activation.pytest_sessionstart(session)
        except pytest.UsageError as error:
            self._trouble = str(error)
        else:
            plugins.register(self._activation, "ttmem-activated")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        names = marks_of(item)
        if names and self._trouble is not None:
            pytest.fail(f"{item.nodeid}: {names[0]} is not checked: {self._trouble}", pytrace=False)


class BadMarks:
    """A mark that makes no sense fails its test."""

    def __init__(self, leftover_of_all: int | None) -> None:
        self._leftover_of_all = leftover_of_all

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        try:
            limits_of(item, self._leftover_of_all)
        except BadLimit as error:
            pytest.fail(str(error), pytrace=False)


class Activation:
    """With --ttmem: measures in each process that runs tests, from the start of its session."""

    def __init__(self, config: pytest.Config, leftover_of_all: int | None) -> None:
        from ttmem._pytest_summary import Summary

        self._leftover_of_all = leftover_of_all
        self._suppressions, self._recordings = config.option.ttmem_suppressions, config.option.ttmem_recordings
        self._measure: Any = None
        self._summary = Summary(_top(config))
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(self._summary, "ttmem-summary")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        plugins = session.config.pluginmanager
        _check_alone()
        if plugins.hasplugin("dsession"):
            # The controller of xdist's workers runs no test. A bad file is its error, not one of each worker.
            self._check_suppressions()
            return
        _ensure_library()
        from ttmem._pytest_measure import Latecomer, Measure

        try:
            self._measure = Measure(session.config, self._leftover_of_all, self._suppressions, self._recordings)
        except FollowError as error:
            raise pytest.UsageError(f"--ttmem: {error}") from None
        plugins.register(BadMarks(self._leftover_of_all), "ttmem-marks")
        plugins.register(self._measure, "ttmem-measure")
        plugins.register(Latecomer(self._measure), "ttmem-latecomer")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker of xdist is about to start."""
        node.workerinput["ttmem_each_runs_all"] = node.config.getoption("dist") == "each"

    def _check_suppressions(self) -> None:
        if self._suppressions is not None or os.environ.get("TTMEM_SUPPRESSIONS"):
            try:
                check_suppressions(self._suppressions)
            except FollowError as error:
                raise pytest.UsageError(f"--ttmem: {error}") from None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        if self._measure is not None:
            totals = self._measure.totals()
            self._summary.note_totals("", totals)
            output = getattr(session.config, "workeroutput", None)
            if output is not None:
                output["ttmem"] = totals
        yield
        # After fixtures of the session are torn down.
        if self._measure is not None:
            self._measure.leave()
            self._measure = None


def _ensure_library() -> None:
    """Brings libttmem.so into this process, unless it is there already, and starts it."""
    try:
        is_on = start()
    except RuntimeError as error:
        raise pytest.UsageError(f"--ttmem: {error}") from None
    if not is_on:
        raise pytest.UsageError(
            "--ttmem: the library is in the process but turned off; unset TTMEM_DISABLE and TT_ALLOC_TRACKING_ENABLED"
        )
    if find_command() is None:
        raise pytest.UsageError(f"--ttmem: {COMMAND_MISSING}")


def _check_alone() -> None:
    folder = os.environ.get("TTMEM_DIR", "")
    if Path(folder).name.startswith("run-") and not _is_worker():
        raise pytest.UsageError(
            "--ttmem: `ttmem run` drains this process already; run pytest --ttmem by itself, without `ttmem run`"
        )
