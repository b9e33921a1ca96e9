"""`ttmem mcp`, asked by the client of the protocol's Python SDK."""

import json
import unittest

import readers
from cases import TTMEM, ExportTest
from readers import need


class Mcp(ExportTest):
    def test_the_clients_of_the_sdk_understand_it(self):
        python = need.need(readers.mcp_client)
        found = json.loads(self.read(python, "mcp_client.py", TTMEM, self.file))
        self.assertEqual(found["tools"], ["live_memory", "memory_growth", "peak_memory", "out_of_memory"])
        self.assertEqual(found["protocol"], "2025-11-25", "by initialize: server/discover is unknown")
        for name in found["tools"]:
            self.assertFalse(found[name]["is_error"], found[name]["text"])
            self.assertIn("pid 100", found[name]["text"])
            pids = [process["pid"] for process in found[name]["json"]["processes"]]
            self.assertEqual(sorted(pids), sorted({key[0] for key in self.scenario.live}))
        self.assertTrue(found["refused"]["is_error"])
        self.assertIn("/nonexistent", found["refused"]["text"])


if __name__ == "__main__":
    unittest.main()
