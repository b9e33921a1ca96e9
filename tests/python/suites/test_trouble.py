"""What happens to the plugin when its other half is slow, or gone."""

import os
import pathlib
import signal

import device
import pytest
from device import Buffer, forgotten


def followers():
    """The `ttmem follow` of this process."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "ttmem" and int(rest.split()[1]) == os.getpid():
            yield int(stat.parent.name)


@pytest.mark.limit_device_leftover("0 B")
def test_passes_though_lost():
    [follower] = followers()
    os.kill(follower, signal.SIGSTOP)
    try:
        forgotten.append(Buffer(64))
        # More than the ring and the stage before it hold.
        for address in range(50_000):
            device._library.report_allocation(0, 1, 0, address << 40)
    finally:
        os.kill(follower, signal.SIGCONT)


@pytest.mark.limit_device_leftover("0 B")
def test_passes_after_what_was_lost():
    forgotten.append(Buffer(64))


def test_passes_and_is_killed():
    [follower] = followers()
    os.kill(follower, signal.SIGKILL)


@pytest.mark.limit_device_leftover("0 B")
def test_fails_when_killed():
    pass


def test_passes_when_killed():
    pass
