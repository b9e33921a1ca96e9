"""Allocates from many kinds of Python code, and writes down what Python itself says of each stack.

    python sites.py LIBRARY FOLDER      prints {"address": [[function, file, line], ...]} as JSON, innermost frame first

Reports go through ctypes, which releases the GIL as ttnn's bindings do. (Without ttmem in the process: LIBRARY is loaded.)
"""

import asyncio
import ctypes
import json
import os
import pathlib
import sys
import threading

FRAMES = 32
library = ctypes.CDLL(sys.argv[1])
library.report_allocation.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint64]
folder = pathlib.Path(sys.argv[2])
truth = {}
lock = threading.Lock()


def noted():
    """The address of the next buffer; its stack is the caller's."""
    frame, stack = sys._getframe(1), []
    while frame and len(stack) < FRAMES:
        code = frame.f_code
        path = os.fsencode(code.co_filename).decode("utf-8", "replace")
        stack.append([getattr(code, "co_qualname", code.co_name), path, frame.f_lineno])
        frame = frame.f_back
    with lock:
        address = 4096 * (len(truth) + 1)
        truth[address] = [frame for frame in stack if not frame[1].startswith("<frozen importlib")]
    return address


def allocate():
    library.report_allocation(0, 4096, 0, noted())


def nested():
    def inner():
        allocate()

    inner()
    (lambda: allocate())()
    [allocate() for _ in range(2)]
    sum(1 for _ in range(2) if allocate() is None)


def generated():
    def generator():
        allocate()
        yield 1
        allocate()
        yield 2

    def delegating():
        yield from generator()

    for _ in generator():
        allocate()
    list(delegating())


def decorated():
    def decorator(function):
        def wrapper(*arguments):
            allocate()
            return function(*arguments)

        return wrapper

    @decorator
    @decorator
    def work(number):
        allocate()
        return number

    work(
        work(
            1
        )
    )


class Body:
    allocate()

    class Inner:
        # On the line of the call, so that both speak of one line.
        library.report_allocation(0, 4096, 0, noted(
        ))

    def __init__(self):
        allocate()

    @property
    def value(self):
        allocate()

    def __del__(self):
        allocate()


def raised():
    try:
        raise ValueError
    except ValueError:
        allocate()
    finally:
        allocate()
    with open(os.devnull):
        allocate()
    sorted([2, 1], key=lambda number: allocate() or number)


def awaited():
    async def inner():
        await asyncio.sleep(0)
        allocate()

    async def outer():
        await asyncio.gather(inner(), inner())

    asyncio.run(outer())


def deep(levels):
    if levels:
        deep(levels - 1)
    else:
        allocate()


def strange_files():
    source = "def f():\n\n  allocate()\n\nf()\n"
    for name in (b"caf\xe9/x.py", "Ünïcode/模型.py".encode(), "😀.py".encode(), b"<string>"):
        exec(compile(source, os.fsdecode(name), "exec"), {"allocate": allocate})
    deleted = folder / "deleted_module.py"
    deleted.write_text("def work(allocate):\n    x = 1\n    allocate()\n")
    sys.path.insert(0, str(folder))
    import deleted_module

    deleted.unlink()
    deleted_module.work(allocate)


def reused():
    """Code objects that die, and others that get their addresses, names and files."""
    for lines in range(300):
        # The same instructions each time: only the lines differ.
        exec(compile("\n" * (lines % 7) + "def f():\n" + "\n" * (lines % 50) + "  allocate()\nf()", "again.py", "exec"), globals())


def by_threads():
    def first():
        for _ in range(50):
            allocate()

    def second():
        for _ in range(50):
            (lambda: allocate())()

    def third():
        for _ in range(50):
            deep(5)

    threads = [threading.Thread(target=target) for target in (first, second, third) * 3]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def switched():
    try:
        import greenlet
    except ImportError:
        return

    def other():
        allocate()
        main.switch()
        allocate()

    main = greenlet.getcurrent()
    child = greenlet.greenlet(other)
    child.switch()
    allocate()
    child.switch()


def in_another_interpreter():
    """Nothing is said of its frames here; it must do no harm."""
    try:
        import _xxsubinterpreters as interpreters

        interpreter = interpreters.create(**({"isolated": False} if sys.version_info < (3, 13) else {}))
    except (ImportError, TypeError):
        return
    code = f"import ctypes; ctypes.CDLL({sys.argv[1]!r}).report_allocation(1, 4096, 0, 4096)"
    try:
        interpreters.run_string(interpreter, code)
    except Exception:
        pass


nested()
generated()
decorated()
Body().value
raised()
awaited()
sys.setrecursionlimit(20_000)
deep(5_000 if sys.version_info >= (3, 11) else 2_000)
strange_files()
reused()
by_threads()
switched()
in_another_interpreter()
sys.stdout.write(json.dumps(truth))
sys.stdout.flush()
if sys.argv[3:] == ["kill"]:
    os.kill(os.getpid(), 9)
