"""The pytest plugin: device memory by test. `pytest --ttmem`; see docs/python.md.

It is loaded by its entry point where the package is installed, else by `-p ttmem.pytest_plugin`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Generator

import pytest

from ttmem import _library, enabled
from ttmem._find import COMMAND_MISSING, find_command, find_library
from ttmem._follow import FollowError, check_suppressions
from ttmem._pytest_limits import MARKERS, BadLimit, limits_of, marks_of
from ttmem._sizes import parse_size

#: Set in the process that takes the place of one without the library, so that it is not replaced for ever.
REPLACED = "TTMEM_PYTEST_PRELOADED"
#: Options, as error messages name them.
LIMIT_LEFTOVER, SUPPRESSIONS = "--ttmem-limit-leftover", "--ttmem-suppressions"
#: LD_PRELOAD takes no path with these in it.
SEPARATORS = " :\t\n$"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ttmem", "device memory (ttmem)")
    group.addoption("--ttmem", action="store_true", help="measure the device memory of every test, with a summary at the end")
    group.addoption(
        "--ttmem-top", type=int, default=10, metavar="N", help="list N tests in the summary, the largest leftover first (10)"
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
    parser.addini("ttmem_suppressions", f"the FILE of {SUPPRESSIONS}, from the folder of this file")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, None]:
    # Before pytest begins to capture output: this may replace the process.
    if early_config.known_args_namespace.ttmem and not _is_worker():
        _ensure_library(early_config)
    yield


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _ensure_library(config: pytest.Config) -> None:
    """Replaces this process by one with libttmem.so in it, unless it has the library already."""
    if _library.library is not None:
        if not enabled():
            raise pytest.UsageError(
                "--ttmem: the library is in the process but turned off; unset TTMEM_DISABLE and TT_ALLOC_TRACKING_ENABLED"
            )
        return
    if os.environ.get(REPLACED):
        raise pytest.UsageError(
            f"--ttmem: LD_PRELOAD={os.environ.get('LD_PRELOAD', '')} did not bring libttmem.so into {sys.executable}; is it "
            "statically linked, setuid, or of another architecture?"
        )
    library = find_library()
    if library is None:
        raise pytest.UsageError(
            "--ttmem: libttmem.so is not in this process and was not found; set TTMEM_LIBRARY to its path, or put the "
            "command `ttmem` with the library beside it on PATH"
        )
    by_hand = f"start it as: LD_PRELOAD={library} python -m pytest --ttmem ..."
    if any(separator in str(library) for separator in SEPARATORS):
        raise pytest.UsageError(f"--ttmem: LD_PRELOAD takes no path with a space, ':' or '$': {library}")
    if list(config.invocation_params.args) != sys.argv[1:]:
        # pytest.main() of some program: to run all of it again may do harm.
        raise pytest.UsageError(f"--ttmem: libttmem.so is not in this process, which is not pytest's own; {by_hand}")
    preloaded = ":".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"LD_PRELOAD": preloaded, REPLACED: "1"})
    except OSError as error:
        raise pytest.UsageError(f"--ttmem: pytest cannot be started again ({error}); {by_hand}") from None


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS.values():
        config.addinivalue_line("markers", line)
    leftover_of_all = _limit_of_all(config)
    if not config.getoption("--ttmem"):
        if config.option.ttmem_suppressions is not None:
            raise pytest.UsageError(f"{SUPPRESSIONS} needs --ttmem")
        config.pluginmanager.register(Unmeasured(), "ttmem-unmeasured")
    elif not config.getoption("collectonly", False):
        # An absolute path, since xdist gives the option to workers in any folder.
        suppressions = config.option.ttmem_suppressions = _suppressions(config)
        config.pluginmanager.register(Activation(config, leftover_of_all, suppressions), "ttmem-activation")


def _limit_of_all(config: pytest.Config) -> int | None:
    """The bytes of --ttmem-limit-leftover."""
    asked = config.option.ttmem_limit_leftover
    if asked is None:
        return None
    if not config.getoption("--ttmem"):
        raise pytest.UsageError(f"{LIMIT_LEFTOVER} needs --ttmem")
    try:
        return parse_size(asked)
    except ValueError as error:
        raise pytest.UsageError(f"{LIMIT_LEFTOVER}: {error}") from None


def _suppressions(config: pytest.Config) -> str | None:
    """The suppression file: of the option; else None where TTMEM_SUPPRESSIONS names one, which the command reads by itself;
    else of the ini file."""
    asked = config.option.ttmem_suppressions
    if asked is not None:
        return str(config.invocation_params.dir / asked)
    named = config.getini("ttmem_suppressions")
    if os.environ.get("TTMEM_SUPPRESSIONS") or not named:
        return None
    folder = config.rootpath if config.inipath is None else config.inipath.parent
    return str(folder / named)


class Unmeasured:
    """Without --ttmem nothing checks a limit: a test that has one fails, rather than pass unmeasured."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        names = marks_of(item)
        if names:
            pytest.fail(f"{item.nodeid}: {names[0]} is checked with --ttmem only; run pytest --ttmem", pytrace=False)


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

    def __init__(self, config: pytest.Config, leftover_of_all: int | None, suppressions: str | None) -> None:
        from ttmem._pytest_summary import Summary

        self._leftover_of_all = leftover_of_all
        self._suppressions = suppressions
        self._measure: Any = None
        self._summary = Summary(config.getoption("--ttmem-top"))
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
        _check_process()
        from ttmem._pytest_measure import Latecomer, Measure

        try:
            self._measure = Measure(session.config, self._leftover_of_all, self._suppressions)
        except FollowError as error:
            raise pytest.UsageError(f"--ttmem: {error}") from None
        plugins.register(BadMarks(self._leftover_of_all), "ttmem-marks")
        plugins.register(self._measure, "ttmem-measure")
        plugins.register(Latecomer(self._measure), "ttmem-latecomer")

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


def _check_process() -> None:
    if _library.library is None or not enabled():
        raise pytest.UsageError(
            "--ttmem: libttmem.so is not in this process; load the plugin with -p ttmem.pytest_plugin or install the "
            f"package, or set LD_PRELOAD={find_library() or 'libttmem.so'} before the start"
        )
    if find_command() is None:
        raise pytest.UsageError(f"--ttmem: {COMMAND_MISSING}")


def _check_alone() -> None:
    folder = os.environ.get("TTMEM_DIR", "")
    if Path(folder).name.startswith("run-") and not os.environ.get(REPLACED) and not _is_worker():
        raise pytest.UsageError(
            "--ttmem: `ttmem run` drains this process already; run pytest --ttmem by itself, without `ttmem run`"
        )
