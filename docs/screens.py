"""Makes what a script can make of the documentation, or checks that it is what the script makes today.

    python3 docs/screens.py           rewrites it
    python3 docs/screens.py --check   fails where something has changed, and shows how; and where a link leads nowhere

A screen is a block of code behind a comment: `<!-- screen: help run -->` is `ttmem help run`, and `<!-- screen: ttnn
model.py fixed -->` is `ttmem run -- python model.py fixed` with the real ttnn on a mock chip (tests/docs/runs.py has all
kinds). `<!-- file: examples/leak.c -->` has that file behind it. report-json.md comes from report.schema.json, commands.md
from the commands themselves. Pictures: tests/docs/pictures.py.
"""

import difflib
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent
ROOT = DOCS.parent
SCREEN = re.compile(r"<!-- screen: (?P<what>[^\n]*) -->\n```console\n(?P<text>.*?)```\n", re.S)
FILE = re.compile(r"<!-- file: (?P<path>[^\n]*) -->\n```(?P<language>\w+)\n(?P<text>.*?)```\n", re.S)
COMMANDS = ["run", "record", "report", "diff", "whatif", "explain", "export", "attach", "top", "serve", "ls", "follow", "mcp", "doctor", "clean"]

sys.path.insert(0, str(ROOT / "tests" / "docs"))
import links  # noqa: E402
import report_json  # noqa: E402
import runs  # noqa: E402


def screen_block(match):
    what = match["what"]
    return f"<!-- screen: {what} -->\n```console\n{runs.screen(what)}```\n"


def file_block(match):
    path, language = match["path"], match["language"]
    return f"<!-- file: {path} -->\n```{language}\n{(DOCS / path).read_text()}```\n"


def commands_page():
    pages = ["# Every command\n", "Each page here is what the command itself says to `--help`.\n"]
    for command in ["", *COMMANDS]:
        pages.append(f"## ttmem {command}".rstrip() + "\n")
        pages.append(f"<!-- screen: help {command}".rstrip() + " -->\n```console\n```\n")
    return "\n".join(pages)


# Pages that are nothing but made.
WHOLE = {"commands.md": commands_page, "report-json.md": report_json.page}


def main():
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        sys.exit(__doc__.strip())
    changed = []
    pages = {*DOCS.glob("*.md"), *(DOCS / name for name in WHOLE), ROOT / "README.md"}
    for page in sorted(pages):
        before = page.read_text() if page.exists() else ""
        made = WHOLE[page.name]() if page.name in WHOLE else before
        after = FILE.sub(file_block, SCREEN.sub(screen_block, made))
        if after == before:
            continue
        changed.append(page.name)
        if is_check:
            sys.stdout.writelines(difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), page.name, "what it gives today"))
        else:
            page.write_text(after)
    wrong = links.dead_in_markdown() + links.unnamed_variables(runs.screen("help"))
    if wrong:
        sys.exit("\n".join(["docs/screens.py: not in order:", *wrong]))
    if is_check and changed:
        sys.exit(f"docs/screens.py: {', '.join(changed)}: changed; python3 docs/screens.py makes them anew")


if __name__ == "__main__":
    try:
        main()
    except runs.wheel.Unavailable as reason:
        print(f"SKIPPED: the screens of the documentation: {reason}")
    except runs.Wrong as what:
        sys.exit(f"docs/screens.py: {what}")
