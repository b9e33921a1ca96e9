"""Makes the screens in the documentation from real runs, or checks that they are what runs give today.

    python3 docs/screens.py           rewrites them
    python3 docs/screens.py --check   fails where one has changed, and shows how; and where a link leads nowhere

A screen is a block of code behind a comment: `<!-- screen: help run -->` is `ttmem help run`, and `<!-- screen: ttnn
model.py fixed -->` is `ttmem run -- python model.py fixed` with the real ttnn on a mock chip (examples/model.py).
"""

import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DOCS = pathlib.Path(__file__).resolve().parent
ROOT = DOCS.parent
TTMEM = ROOT / "target" / "release" / "ttmem"
SCREEN = re.compile(r"<!-- screen: (?P<what>[^\n]*) -->\n```console\n(?P<text>.*?)```\n", re.S)
COMMANDS = ["run", "record", "report", "diff", "explain", "export", "top", "serve", "ls", "follow", "doctor", "clean"]

sys.path.insert(0, str(ROOT / "tests" / "ttnn"))
import wheel  # noqa: E402


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)
    return done.stdout


def help_screen(command):
    words = [str(TTMEM), *([command] if command else []), "--help"]
    shown = " ".join(["ttmem", *([command] if command else []), "--help"])
    return f"$ {shown}\n" + output(words, env=os.environ | {"COLUMNS": "100", "NO_COLOR": "1"})


def ttnn_screen(program, *arguments):
    python = wheel.python_with_ttnn()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DOCS / "examples" / program, folder)
        environment = wheel.environment("blackhole-1", folder) | {"PYTHONPATH": str(ROOT / "python"), "NO_COLOR": "1"}
        # As a user types it: the name of the interpreter, not its path.
        environment["PATH"] = f"{pathlib.Path(python).parent}:{environment.get('PATH', os.defpath)}"
        text = output([str(TTMEM), "run", "--", "python", program, *arguments], env=environment, cwd=folder)
    if "Traceback" in text:
        sys.exit(f"docs/screens.py: {program}: {text}")
    return " ".join(["$ ttmem run -- python", program, *arguments]) + "\n" + text


def screen(what):
    kind, *arguments = what.split()
    if kind == "help":
        return help_screen(*(arguments or [""]))
    if kind == "ttnn":
        return ttnn_screen(*arguments)
    sys.exit(f"docs/screens.py: {what!r}: no such screen")


def lasting(text):
    """Without what differs from run to run."""
    return re.sub(r"pid \d+", "pid 4242", text)


def dead_links():
    """Links from page to page that lead nowhere, and pages that the book (SUMMARY.md) leaves out."""
    dead = []
    for page in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in link and not (page.parent / link).exists():
                dead.append(f"{page.name}: {link} is not there")
    book = (DOCS / "SUMMARY.md").read_text()
    dead += [f"SUMMARY.md leaves out {page.name}" for page in DOCS.glob("*.md")
             if page.name != "SUMMARY.md" and f"({page.name})" not in book]
    return dead


def commands_page():
    pages = ["# Every command\n", "Each page here is what the command itself says to `--help`.\n"]
    for command in ["", *COMMANDS]:
        pages.append(f"## ttmem {command}".rstrip() + "\n")
        pages.append(f"<!-- screen: help {command}".rstrip() + " -->\n```console\n```\n")
    return "\n".join(pages)


def main():
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        sys.exit(__doc__.strip())
    changed = []
    made = {}

    def shown(match):
        what = match["what"]
        if what not in made:
            made[what] = lasting(screen(what))
        return f"<!-- screen: {what} -->\n```console\n{made[what]}```\n"

    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text() if page.name != "commands.md" or is_check else commands_page()
        after = SCREEN.sub(shown, before)
        if after == before:
            continue
        changed.append(page.name)
        if is_check:
            sys.stdout.writelines(difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), f"docs/{page.name}", "what it gives today"))
        else:
            page.write_text(after)
    dead = dead_links()
    if dead:
        sys.exit("\n".join(["docs/screens.py: dead links:", *dead]))
    if is_check and changed:
        sys.exit(f"docs/screens.py: {', '.join(changed)}: screens have changed; python3 docs/screens.py makes them anew")


if __name__ == "__main__":
    try:
        main()
    except wheel.Unavailable as reason:
        print(f"SKIPPED: the screens of the documentation: {reason}")
