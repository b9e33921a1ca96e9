"""Tests whose teardown also closes the device, since no other test wants it: the verdict is what it would be before."""

import device
import pytest
from device import Buffer, forgotten


class Opened:
    @pytest.fixture(scope="class")
    def opened(self):
        yield
        device._library.ttmem_device_closed(0)

    @pytest.fixture
    def held_by_pytest(self, opened):
        return Buffer(64)


@pytest.mark.limit_device_leftover("0 B")
class TestLeak(Opened):
    def test_fails_before_the_close(self, opened):
        forgotten.append(Buffer(64))


@pytest.mark.limit_device_leftover("0 B")
class TestNone(Opened):
    def test_passes_before_the_close(self, held_by_pytest):
        pass


@pytest.mark.limit_device_leftover("0 B")
def test_passes_when_it_closes_by_itself():
    forgotten.append(Buffer(64))
    device._library.ttmem_device_closed(0)
