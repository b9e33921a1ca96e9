"""Regions: stretches of the program that the user named (docs/python.md)."""

from __future__ import annotations

import functools
import inspect
from types import TracebackType
from typing import Any, Callable, TypeVar

from ttmem import _library
from ttmem._library import cut

Function = TypeVar("Function", bound=Callable[..., Any])


def begin(name: str, apart: bool = False) -> int:
    """Begins a region; returns the number that ends it, 0 where nothing is tracked. For code where `with` does not fit.

    `ttmem follow` calls region 7 "r7".

    Source: `ttmem_region_begin` of include/ttmem.h.
    """
    if _library.library is None:
        return 0
    library = _library.library
    return int((library.region_begin_apart if apart else library.region_begin)(cut(name)))


def end(number: int) -> None:
    """Ends the region that `begin` gave this number.

    Source: `ttmem_region_end`.
    """
    if _library.library is not None:
        _library.library.region_end(number)


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
        self._open: list[int] = []

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
