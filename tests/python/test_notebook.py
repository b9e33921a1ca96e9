"""`%load_ext ttmem` and `%%ttmem` in a notebook that nbconvert runs."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import environment

SETUP = """
%load_ext ttmem
import ctypes
allocate = lambda address: ctypes.CDLL(None).report_allocation(0, ctypes.c_uint64(1 << 20), 0, ctypes.c_uint64(address))
"""
CELL = """
%%ttmem --page
allocate(0x1000)
kept = "in this cell"
"""
AFTER = """
print(kept)
"""


def notebook(cells):
    of = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": kernel, "cells": [of | {"source": text.strip()} for text in cells]}


class Notebook(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.python = environment.python_with_notebooks()
        except environment.wheel.Unavailable as reason:
            environment.need.skip(str(reason))

    def test_a_cell_has_its_report_and_its_page(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "book.ipynb").write_text(json.dumps(notebook([SETUP, CELL, AFTER])))
            here = {"PYTHONPATH": str(environment.ROOT / "python"), "TTMEM_DIR": f"{folder}/rings", "HOME": folder}
            command = [self.python, "-m", "nbconvert", "--execute", "--to", "notebook", "--stdout", "book.ipynb"]
            run = {"cwd": folder, "env": environment.clean_environment(**here), "timeout": 300}
            done = subprocess.run(command, capture_output=True, text=True, **run)
            self.assertEqual(done.returncode, 0, done.stderr)
        _, cell, after = json.loads(done.stdout)["cells"]
        text = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        self.assertIn("cell 1", text)
        self.assertIn("1.0 MiB", text)
        pages = ["".join(output["data"]["text/html"]) for output in cell["outputs"] if "data" in output]
        self.assertEqual(len(pages), 1, text)
        self.assertTrue(pages[0].startswith('<iframe srcdoc="&lt;!DOCTYPE html'), pages[0][:100])
        self.assertEqual("".join(after["outputs"][0]["text"]), "in this cell\n", "names of the cell live on")


if __name__ == "__main__":
    unittest.main()
