"""What a report says of tensors is what ttnn says of them."""

import csv
import io
import json
import pathlib
import subprocess
import tempfile
import unittest

import wheel
from test_acceptance import HERE, TTMEM, python_or_skip

DEVICES = 8


class Tensors(unittest.TestCase):
    def check(self, version):
        python = python_or_skip(version)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            environment = wheel.environment("blackhole-8", folder / "run") | {"TTMEM_DIR": str(folder / "rings")}
            recording = folder / "run.ttmemrec"
            command = [TTMEM, "record", "-o", str(recording), "--", python, str(HERE / "tensors.py")]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr[-3000:])
            report = folder / "report.json"
            command = [TTMEM, "report", str(recording), "--at", "exit", "--by", "shape", "--json", str(report)]
            by_shape = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            process, = json.loads(report.read_text())["processes"]
            command = [TTMEM, "export", str(recording), "--format", "csv"]
            table = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        live = [one for one in process["live"] if one["memory"] in ("DRAM", "L1") and not one["cached"]]
        for expected in made:
            with self.subTest(expected):
                address = expected.pop("address")
                expected = {key: value for key, value in expected.items() if value is not None}
                found = [one.get("tensor") for one in live if one["address"] == address]
                self.assertEqual(found, [expected] * DEVICES)
        self.assertEqual(len(made), 10)
        rows = [(row["op"], row["tensor"]) for row in csv.DictReader(io.StringIO(table))]
        self.assertEqual(rows.count(("ttnn.add", "bf16 [1, 1, 1024, 1024] TILE, interleaved")), DEVICES)
        self.assertIn("[1, 1, 1024, 1024]", by_shape.stdout)
        rows = {tuple(row.get("shape", ())): row["allocations"] for row in process["at"]["rows"]}
        self.assertEqual(rows[1, 1, 1024, 1024], 2 * DEVICES)

    def test_they_are_as_ttnn_says(self):
        self.check(wheel.DEFAULT_VERSION)

    def test_they_are_on_the_oldest_wheel(self):
        self.check("0.77.0")


if __name__ == "__main__":
    unittest.main()
