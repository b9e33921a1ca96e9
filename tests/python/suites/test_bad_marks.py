"""Marks that cannot be meant so."""

import pytest


@pytest.mark.limit_device_memory("24 XB")
def test_fails_of_its_unit():
    pass


@pytest.mark.limit_device_leftover("many")
def test_fails_of_its_number():
    pass


@pytest.mark.limit_device_memory("1 MB", memory="L7")
def test_fails_of_its_memory():
    pass


@pytest.mark.limit_device_memory
def test_fails_without_a_size():
    pass


@pytest.mark.limit_device_leftover("0 B", memories="L1")
def test_fails_of_its_keyword():
    pass


def test_passes():
    pass
