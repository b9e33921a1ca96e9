"""Reports of the real ttnn, held to docs/report.schema.json with no room for keys that it does not know."""

import json
import pathlib
import shutil
import subprocess
import sys
import unittest

import runs

ROOT = runs.ROOT
sys.path.insert(0, str(ROOT / "tests" / "export"))

import readers  # noqa: E402
from readers import need  # noqa: E402


def closed(schema):
    """The schema, refusing keys that it does not name."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema


class Reports(unittest.TestCase):
    def told(self, cluster, *program):
        """The report of a program, after the validator had nothing against it."""
        python, place = need.need(readers.python), need.need(runs.ttnn, cluster)
        with place as here:
            for source in (ROOT / "tests" / "ttnn").glob("*.py"):
                shutil.copy(source, here.folder)
            report, schema = pathlib.Path(here.folder, "report.json"), pathlib.Path(here.folder, "schema.json")
            schema.write_text(json.dumps(closed(json.loads((ROOT / "docs" / "report.schema.json").read_text()))))
            here.run(["ttmem", "run", "--quiet", "--json", str(report), "--live-at-marks", "--", "python", *program])
            checked = subprocess.run([python, str(ROOT / "tests" / "export" / "check_json.py"), str(schema), str(report)],
                                     capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, checked.stderr[-2000:])
            process, = json.loads(report.read_text())["processes"]
            return process

    def test_growth_and_a_close(self):
        process = self.told("blackhole-1", "model.py", "close")
        self.assertEqual(process["growth"][0]["verdict"], "grows")
        self.assertTrue(process["released_at_close"] and process["marks"][-1]["live"])

    def test_regions_of_a_program(self):
        process = self.told("blackhole-8", "server.py", "1")
        self.assertEqual(process["regions"][0]["name"], "request")

    def test_clashes_in_l1(self):
        process = self.told("blackhole-8", "clash.py")
        self.assertTrue(process["out_of_memory"][-1]["clash"]["in_the_way_regions"])


if __name__ == "__main__":
    unittest.main()
