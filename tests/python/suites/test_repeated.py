"""A test that is repeated and leaves something each time, and one that frees all."""

import pytest
from device import DRAM, Buffer, forgotten


@pytest.mark.parametrize("number", range(30))
def test_passes_and_leaks(number):
    Buffer(1 << 16, DRAM)
    forgotten.append(Buffer(2048))


@pytest.mark.parametrize("number", range(30))
def test_passes_clean(number):
    Buffer(4096)
