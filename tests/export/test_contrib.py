"""What lies in contrib/, looked at by those it is for: systemd's own check of a unit, the types that Grafana publishes for its
dashboards, and Prometheus's parser for what a dashboard asks. That its metrics are those of `ttmem serve` is a test of serve."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import readers
from cases import TTMEM
from readers import need

CONTRIB = readers.ROOT / "contrib"
DASHBOARD = CONTRIB / "grafana-dashboard.json"


class Contrib(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-contrib-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def run_it(self, *command, **options):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, **options)
        return done.returncode, done.stdout + done.stderr

    def verify(self, text):
        """What systemd has to say of a unit; nothing if it is well. Unknown settings are but warnings to it."""
        unit = self.folder / "ttmem-serve.service"
        # The command of a unit must be there.
        unit.write_text(text.replace("/usr/local/bin/ttmem", TTMEM))
        command = [need.need(readers.system, "systemd-analyze"), "--user", "--man=no", "verify", unit]
        return self.run_it(*command, env=os.environ | {"XDG_RUNTIME_DIR": str(self.folder)})

    def test_the_unit(self):
        text = (CONTRIB / "ttmem-serve.service").read_text()
        self.assertIn("ExecStart=/usr/local/bin/ttmem serve ", text)
        self.assertEqual(self.verify(text), (0, ""))
        # That it would have said something.
        self.assertIn("Unknown key", self.verify(text.replace("Restart=", "Restrat="))[1])

    def compile(self, dashboard):
        packages = need.need(readers.node)
        types = (readers.HERE / "dashboard.ts").read_text()
        source = self.folder / "dashboard.ts"
        source.write_text(f"{types}\nexport const dashboard: Written = {dashboard.rstrip()};\n")
        if not (self.folder / "node_modules").exists():
            (self.folder / "node_modules").symlink_to(packages / "node_modules")
        compiler = packages / "node_modules" / "typescript" / "bin" / "tsc"
        options = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"]
        return self.run_it("node", compiler, *options, "--skipLibCheck", "--preserveSymlinks", source, cwd=self.folder)

    def test_the_dashboard_has_the_types_of_grafana(self):
        dashboard = DASHBOARD.read_text()
        self.assertEqual(self.compile(dashboard), (0, ""))
        for right, wrong in (('"showLegend": true,', ""), ('"bottom"', '"botom"'), ('"expr":', '"exrp":'), ('"h":', '"hh":')):
            self.assertIn(right, dashboard)
            self.assertNotEqual(self.compile(dashboard.replace(right, wrong, 1))[0], 0, wrong)

    def check_rules(self, expressions):
        rules = [{"record": f"asked:{at}", "expr": expression} for at, expression in enumerate(expressions)]
        # JSON is YAML.
        file = self.folder / "rules.yml"
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        return self.run_it(need.need(readers.system, "promtool"), "check", "rules", file)

    def test_prometheus_understands_what_is_asked(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        asked = [target["expr"] for panel in panels for target in panel["targets"]]
        self.assertGreater(len(asked), 10)
        # Grafana puts values in for its variables before it asks.
        expressions = [
            re.sub(r"\$(process|rank|device)\b", ".*", expression.replace("$__rate_interval", "20s")) for expression in asked
        ]
        self.assertEqual([expression for expression in expressions if "$" in expression], [])
        status, said = self.check_rules(expressions)
        self.assertEqual(status, 0, said)
        self.assertIn(f"{len(asked)} rules found", said)
        self.assertNotEqual(self.check_rules(["sum by (rank ttmem_live_bytes"])[0], 0)


if __name__ == "__main__":
    unittest.main()
