"""A test that takes its process with it."""

import os
import signal

from device import Buffer, forgotten


def test_crash():
    forgotten.append(Buffer(4096))
    os.kill(os.getpid(), signal.SIGKILL)
