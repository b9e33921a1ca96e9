"""Tests whose names make no file name, or the same."""

import pytest
from device import Buffer, forgotten


@pytest.mark.parametrize("name", ["a/b", "a b", "é", "../../x", "$(reboot)", "-", "", "x" * 300, "A-B"])
def test_name(name):
    forgotten.append(Buffer(4096))
