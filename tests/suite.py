"""Runs the Python tests of a folder; each skipped one has a line that begins with SKIPPED and names the reason.

    python3 tests/suite.py tests/ttnn [NAME…]
"""

import sys
import unittest


class Result(unittest.TextTestResult):
    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.stream.write(f"\nSKIPPED: {test.id()}: {reason}\n")
        self.stream.flush()


def main(folder, *names):
    sys.path.insert(0, folder)
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names) if names else loader.discover(folder)
    return 0 if unittest.TextTestRunner(resultclass=Result).run(suite).wasSuccessful() and suite.countTestCases() else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    sys.exit(main(*sys.argv[1:]))
