"""A recording for each test: `--ttmem-recordings DIR`."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Iterable

import pytest

from ttmem._follow import Follow, FollowError

#: Characters of a name, without those that tell two names apart.
LONGEST = 150


def check_folder(folder: str) -> None:
    """Makes the folder, and sees that it can be written.

    Raises:
        pytest.UsageError: if it cannot.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise pytest.UsageError(f"--ttmem-recordings: {folder}: cannot be written: {error.strerror}") from None


def file_names(nodeids: Iterable[str]) -> dict[str, str]:
    """A name for each test, of letters, digits, dots, underscores and hyphens. It is the same in each run, also where another name
    is chosen for two that would be equal."""
    plain = {nodeid: re.sub(r"[^A-Za-z0-9_.]+", "-", nodeid).strip("-.") for nodeid in nodeids}
    # Some file systems know no capitals.
    counts = Counter(name.lower() for name in plain.values())
    return {
        nodeid: name if counts[name.lower()] == 1 and len(name) <= LONGEST else f"{name[:LONGEST]}-{_digest(nodeid)}"
        for nodeid, name in plain.items()
    }


def _digest(nodeid: str) -> str:
    return hashlib.sha256(nodeid.encode(errors="surrogatepass")).hexdigest()[:8]


class Recordings:
    """Writes them, if there is a folder for them.

    Args:
        folder: where, an absolute path.
        suffix: what sets the files of this process apart, where others run the same tests.
    """

    def __init__(self, follow: Follow, folder: str | None, suffix: str) -> None:
        self._follow, self._folder, self._suffix = follow, folder, suffix
        self._names: dict[str, str] = {}
        self._runs: Counter[str] = Counter()
        self._is_open = False
        #: Why the recording of this test is not whole.
        self.trouble: str | None = None

    def know(self, nodeids: Iterable[str]) -> None:
        """Chooses the names of these tests."""
        self._names = file_names(nodeids)

    def begin(self, nodeid: str) -> None:
        if self._folder is None:
            return
        self._runs[nodeid] += 1
        run = f"+{self._runs[nodeid]}" if self._runs[nodeid] > 1 else ""
        name = self._names.get(nodeid) or file_names([nodeid])[nodeid]
        self.trouble, self._is_open = None, True
        self._ask("record", file=str(Path(self._folder) / f"{name}{run}{self._suffix}.ttmem"))

    def end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._ask("record_end")

    def _ask(self, what: str, **details: str) -> None:
        try:
            self._follow.ask(what, **details)
        except FollowError as error:
            self.trouble = self.trouble or str(error)
            self._is_open = False
