"""Links and pages of the documentation, in its Markdown and in the book that mdBook makes of it."""

import html.parser
import pathlib
import re
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"


def dead_in_markdown():
    """Links from page to page that lead nowhere, pages that SUMMARY.md leaves out, blocks of code without a language."""
    wrong = []
    for page in [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]:
        text = page.read_text()
        for link in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)#\s\"]+)", text):
            if "://" not in link and not (page.parent / link).exists():
                wrong.append(f"{page.name}: {link} is not there")
        opens = re.findall(r"^```(.*)$", text, re.M)[::2]
        wrong += [f"{page.name}: a block of code without a language"] * opens.count("")
    book = (DOCS / "SUMMARY.md").read_text()
    wrong += [f"SUMMARY.md leaves out {page.name}" for page in DOCS.glob("*.md")
              if page.name != "SUMMARY.md" and f"({page.name})" not in book]
    return wrong


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
