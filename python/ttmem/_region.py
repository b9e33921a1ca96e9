"""Regions: a stretch of the program between two marks of a reserved syntax (docs/python.md)."""

from __future__ import annotations

import functools
import inspect
import itertools
from types import TracebackType
from typing import Any, Callable, TypeVar

from ttmem._library import MAX_MARK_BYTES, RESERVED, cut, set_mark
from ttmem import _library

Function = TypeVar("Function", bound=Callable[..., Any])

_numbers = itertools.count(1)


def begin(name: str, apart: bool = False) -> str:
    """Begins a region; returns the id that ends it. For code where `with` does not fit."""
    # Ids of Python begin with p, so that they differ from those of C code in the same process.
    identity = f"p{next(_numbers)}"
    head = f"{RESERVED}region:{'apart' if apart else 'begin'}:{identity}:".encode()
    set_mark(head + cut(name, MAX_MARK_BYTES - len(head)))
    return identity


def end(identity: str) -> None:
    """Ends the region that `begin` gave this id."""
    set_mark(f"{RESERVED}region:end:{identity}".encode())


class region:
    """A named stretch of the program. Reports have what was allocated, freed and kept in it, and its peak.

        with ttmem.region("decode"):
            step()

        @ttmem.region("prefill")
        def prefill(): ...

    As a decorator it is one region for each call; of a coroutine function or a generator, one from its first step to its
    end. Regions may be nested and used again, also by several threads at once. Device memory belongs to the process, so a
    region contains what all threads do in its time. An exception ends it as a return does.

    Args:
        name: any text, some 230 bytes of it.
        apart: allocations made within that live on count for this region, and not for those around it. For a cache that
            happens to be filled here.

    Raises:
        TypeError: if the name is no text.
    """

    def __init__(self, name: str, *, apart: bool = False) -> None:
        if not isinstance(name, str):
            raise TypeError(f"ttmem.region: a name is text, not {type(name).__name__}")
        self.name = name
        self.apart = apart
        self._open: list[str] = []

    def __enter__(self) -> "region":
        if _library.library is not None:
            self._open.append(begin(self.name, self.apart))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._open:
            end(self._open.pop())

    def __call__(self, function: Function) -> Function:
        if inspect.isasyncgenfunction(function):
            raise TypeError("ttmem.region: no decorator for asynchronous generators; use `with` in it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with region(self.name, apart=self.apart):
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with region(self.name, apart=self.apart):
                    return (yield from function(*args, **kwargs))

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with region(self.name, apart=self.apart):
                    return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]
