"""A `ttmem follow` of this process: questions about its device memory while it runs (docs/follow.md)."""

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from typing import Any

from ttmem import _library
from ttmem._find import COMMAND_MISSING, find_command


class FollowError(Exception):
    """There is no answer; the message is one line with the reason and what to do."""


def check_suppressions(path: str | None) -> None:
    """Lets the command read a suppression file. For a process that is not followed itself.

    Raises:
        FollowError: if the command is not found, or refuses the file.
    """
    command = [*_command(path), "--pid", str(os.getpid())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_environment())
    if done.returncode != 0:
        raise FollowError(_last_line(done.stderr) or f"{command[0]} ended with exit code {done.returncode}")


def _command(suppressions: str | None) -> list[str]:
    command = find_command()
    if command is None:
        raise FollowError(COMMAND_MISSING)
    return [str(command), "follow", *([] if suppressions is None else ["--suppressions", suppressions])]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def _last_line(text: str) -> str:
    """The last line that the command wrote, without its name."""
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("ttmem: ") if lines else ""


class Follow:
    """A `ttmem follow` of this process. It drains the process's ring as long as the process lives, and ends with it.

    Args:
        suppressions: a suppression file; without one the command reads that of TTMEM_SUPPRESSIONS.

    Raises:
        FollowError: if the command is not found, does not answer, or refuses the file.
    """

    #: Seconds that an answer may take.
    TIMEOUT = 30.0

    def __init__(self, suppressions: str | None = None) -> None:
        command = _command(suppressions)
        # A file, since nobody reads a pipe in time: its last line is the reason why the command ended.
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*command, "--until-exit", "--pid", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            # The terminal's Ctrl-C is for the tests.
            start_new_session=True,
        )
        self._pid = os.getpid()
        self._moments = itertools.count(1)
        self._buffer = b""
        hello = self._read()
        if hello.get("hello") != "ttmem-follow/1":
            raise FollowError(f"{command[0]} is of another version, whose greeting is {hello}; install that of this package")

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Asks about the process as it is now: the answer contains all that it reported before this call.

        Args:
            what: `region` (with `id` or `name`), `now`, `verdict` or `report`.

        Returns:
            The answer, see docs/follow.md; bytes are on one device.

        Raises:
            FollowError: if there is none.
        """
        # A forked child has the pipes too, and must not write to them.
        if os.getpid() != self._pid:
            raise FollowError("a forked child cannot ask about its parent")
        # First, so that the ring has room for the mark: the command would wait in vain for a lost one.
        flushed = _library.flush(self.TIMEOUT)
        moment = f"{_library.RESERVED}sync:{self._pid}.{next(self._moments)}"
        _library.set_mark(moment.encode())
        if not (flushed and _library.flush(self.TIMEOUT)):
            raise FollowError("events stay in the library; is the disk of TTMEM_DIR full, or its thread stopped?")
        question = {"ask": what, "after": moment, "timeout_ms": int(self.TIMEOUT * 1000), **details}
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise FollowError(f"`ttmem follow` is gone ({error})") from None
        answer = self._read()
        if answer.get("answer") == "error":
            raise FollowError(answer["error"])
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + self.TIMEOUT + 5
        while b"\n" not in self._buffer:
            if not poll.poll(max(0, int((deadline - time.monotonic()) * 1000))):
                raise FollowError("`ttmem follow` does not answer")
            part = os.read(descriptor, 1 << 16)
            if not part:
                raise FollowError(self._why_ended())
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _why_ended(self) -> str:
        self._errors.seek(0)
        return _last_line(self._errors.read().decode(errors="replace")) or "`ttmem follow` ended"

    def leave(self) -> None:
        """Ends the questions. The command drains on until this process ends, then removes its ring."""
        assert self._process.stdin is not None and self._process.stdout is not None
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            try:
                pipe.close()
            except OSError:
                pass
        # It outlives this process on purpose: no wait, and no warning of subprocess about it.
        self._process.returncode = 0
