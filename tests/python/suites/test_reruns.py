"""Tests that leak the first times they run."""

import pytest
from device import Buffer, forgotten

runs = {}


def run(name):
    runs[name] = runs.get(name, 0) + 1
    return runs[name]


@pytest.mark.flaky(reruns=3)
@pytest.mark.limit_device_leaks("0 B")
def test_passes_the_third_time():
    if run("third") < 3:
        forgotten.append(Buffer(64))


@pytest.mark.flaky(reruns=1)
@pytest.mark.limit_device_leaks("0 B")
def test_fails_both_times():
    forgotten.append(Buffer(64))


@pytest.mark.limit_device_leaks("0 B")
def test_fails_once_and_for_all():
    forgotten.append(Buffer(64))


@pytest.mark.flaky(reruns=2)
def test_passes_after_an_ordinary_failure():
    buffer = Buffer(64)
    assert run("ordinary") == 2, buffer
