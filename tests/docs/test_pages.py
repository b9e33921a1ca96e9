"""The documentation is what its scripts make of it today: screens, pictures, and the book with its links."""

import re
import subprocess
import sys
import unittest

from runs import ROOT


class Pages(unittest.TestCase):
    def check(self, *command):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        if skipped := re.search(r"^SKIPPED: (.*)", done.stdout, re.M):
            self.skipTest(skipped[1])

    def test_screens(self):
        self.check("docs/screens.py", "--check")

    def test_pictures(self):
        self.check("tests/docs/pictures.py", "--check")

    def test_book(self):
        self.check("tests/docs/book.py")
