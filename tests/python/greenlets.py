"""Allocates in greenlets, in those of gevent too, and writes down what Python itself says of each stack.

    python greenlets.py LIBRARY      prints {"address": [[function, file, line], ...]} as JSON, innermost frame first
"""

import ctypes
import json
import sys
import threading

import greenlet

FRAMES = 32
report = ctypes.CDLL(sys.argv[1]).report_allocation
report.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint64]
truth = {}


def allocate():
    frame, stack = sys._getframe(), []
    address = 4096 * (len(truth) + 1)
    truth[address] = stack
    report(0, 4096, 0, noted(frame, stack, address))


def noted(frame, stack, address):
    while frame and len(stack) < FRAMES:
        stack.append([getattr(frame.f_code, "co_qualname", frame.f_code.co_name), frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return address


def deeper(levels, then):
    return deeper(levels - 1, then) if levels else then()


def back_and_forth():
    def child(number):
        allocate()
        for _ in range(5):
            deeper(number, lambda: main.switch())
            allocate()

    main = greenlet.getcurrent()
    children = [greenlet.greenlet(child) for _ in range(4)]
    for number, each in enumerate(children):
        each.switch(number)
        allocate()
    for _ in range(5):
        for each in children:
            each.switch()


def in_a_thread():
    thread = threading.Thread(target=back_and_forth)
    thread.start()
    thread.join()


def by_gevent():
    import gevent

    def worker():
        allocate()
        gevent.sleep(0)
        deeper(3, allocate)

    gevent.joinall([gevent.spawn(worker) for _ in range(3)])


back_and_forth()
in_a_thread()
by_gevent()
sys.stdout.write(json.dumps(truth))
