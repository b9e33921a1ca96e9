"""What can be wrong in the documentation without a screen changing: links, pages, names of files and variables.

    python3 tests/docs/links.py
"""

import html.parser
import pathlib
import re
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"


def pages():
    """Every page in Markdown that people read: the book's, and those beside the code."""
    return [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("*/README.md")), *sorted(ROOT.glob("tests/*/README.md"))]


def dead_in_markdown():
    """Links from page to page that lead nowhere, pages that SUMMARY.md leaves out, blocks of code without a language."""
    wrong = []
    for page in pages():
        name, text = page.relative_to(ROOT), page.read_text()
        for link in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)#\s\"]+)", text):
            if "://" not in link and not (page.parent / link).exists():
                wrong.append(f"{name}: {link} is not there")
        opens = re.findall(r"^```(.*)$", text, re.M)[::2]
        wrong += [f"{name}: a block of code without a language"] * opens.count("")
    book = (DOCS / "SUMMARY.md").read_text()
    in_book = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"SUMMARY.md"}
    return wrong + [f"SUMMARY.md leaves out {name}" for name in sorted(in_book) if f"({name})" not in book]


def missing_files():
    """Files and folders of this project that a page names in code, as `ring/src/lib.rs`, and that are not there."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"target"}
    wrong = []
    for page in pages():
        for name in re.findall(r"`([\w.-]+/[\w./-]*)`", page.read_text()):
            if name.split("/")[0] in folders and not any((folder / name).exists() for folder in (ROOT, page.parent)):
                wrong.append(f"{page.relative_to(ROOT)}: {name} is not there")
    return wrong


def unnamed_variables(help_text):
    """Variables that the library reads and `--help` does not name, or `--help` and docs/environment.md does not."""
    config = (ROOT / "shim" / "src" / "config.rs").read_text()
    read = set(re.findall(r'Variable::new\(c"(TT\w+)"\)', config))
    named = set(re.findall(r"^  ((?:TT|NO_)[A-Z_]+)", help_text.partition("\nEnvironment")[2], re.M))
    told = set(re.findall(r"`([A-Z_]+)`", "\n".join(re.findall(r"^\| (`[^|]*)\|", (DOCS / "environment.md").read_text(), re.M))))
    if not read or not named:
        return ["no variables found: has the code or --help another form now?"]
    return [f"--help does not name {name}" for name in sorted(read - named)] + [
        f"environment.md does not name {name}" for name in sorted(named - told)]


class Page(html.parser.HTMLParser):
    """Where a page of the book leads, and what can be led to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        for name in ("href", "src", "srcset"):
            if attributes.get(name):
                self.links.append(attributes[name])


def dead_in_book(book):
    """Links in the built book whose file, or whose place in it, is not there, and those that lead out of it."""
    # 404.html is served for any path, so its links say nothing here.
    pages = {path: Page(path) for path in sorted(book.rglob("*.html")) if path.name != "404.html"}
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            name = f"{path.relative_to(book)}: {link}"
            if not target.is_relative_to(book):
                wrong.append(f"{name} leads out of the book")
            elif not target.exists():
                wrong.append(f"{name} is not there")
            elif parts.fragment and target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].ids:
                wrong.append(f"{name}: no such place")
    return sorted(set(wrong))


if __name__ == "__main__":
    sys.exit("\n".join(dead_in_markdown() + missing_files()) or None)
