"""A leak in three forms, in a model of twenty layers: each is told by file and line on the first screen."""

import subprocess
import unittest

import ledger_run
import wheel
from test_acceptance import HERE, TTMEM

SOURCE = HERE / "leaking_model.py"
#: Lines of a terminal, as it usually is.
SCREEN = 24


def line(mark):
    numbers = [number for number, text in enumerate(SOURCE.read_text().splitlines(), 1) if text.endswith(f"# {mark}")]
    assert len(numbers) == 1, mark
    return numbers[0]


class Leaks(ledger_run.LedgerTest):
    def first_screen(self, form):
        environment = wheel.environment("blackhole-1", self.folder) | {"TTMEM_DIR": str(self.folder / "rings")}
        command = [TTMEM, "run", "--", self.python, SOURCE, "none", form]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return "\n".join(done.stderr.splitlines()[:SCREEN]), done.stderr

    def assert_on_first_screen(self, form, *frames):
        screen, all_of_it = self.first_screen(form)
        for function, mark in frames:
            self.assertIn(f"{function} (", screen, all_of_it)
            self.assertIn(f"{SOURCE.name}:{line(mark)})", screen, all_of_it)

    def test_a_list_that_keeps_outputs(self):
        self.assert_on_first_screen("list", ("forward", "RELU"))

    def test_a_cache_that_is_keyed_by_shape(self):
        self.assert_on_first_screen("shapes", ("mask_of", "MASK"))

    def test_a_device_that_is_never_closed(self):
        self.assert_on_first_screen("unclosed", ("__init__", "WEIGHT"))


if __name__ == "__main__":
    unittest.main()
