"""Makes the pictures in the documentation: `ttmem top` on a terminal, and the page of `report --html` in Chromium.

    python3 tests/docs/pictures.py           makes them anew, in docs/pictures
    python3 tests/docs/pictures.py --check   makes them elsewhere, and looks at what came out and at what is there

Both come from a real run (examples/server.py on mock chips), so no two pictures are alike byte by byte, and the check does
not compare them. It fails where they cannot be made or show nothing, where one is missing or large, and where what draws
them has changed since they were made (docs/pictures/made-from.txt says from what).
"""

import hashlib
import html
import io
import os
import pathlib
import pty
import select
import shutil
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "export"))

import readers  # noqa: E402
from readers import need  # noqa: E402
import runs  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
DRAWN_BY = [*sorted(str(path.relative_to(ROOT)) for path in (ROOT / "reader/src/html/page").iterdir()), "reader/src/top/bars.rs",
            "reader/src/top/draw.rs", "reader/src/top/style.rs", "docs/examples/server.py"]
DRAWN_BY += sorted(str(panel.relative_to(ROOT)) for panel in ROOT.glob("reader/src/top/panels/*.rs"))
MOST_BYTES = 150_000
PACKAGES = ["pyte==0.8.2", "pillow==13.0.0"]
COLUMNS, ROWS = 110, 25


class Wrong(Exception):
    """A picture that cannot be made, or shows nothing."""


def packages():
    """Puts the packages of PyPI on the path."""
    python = need.environment(readers.folder() / "pictures", sys.executable, "a package of PyPI", *PACKAGES)
    sys.path.append(str(next(pathlib.Path(python).parent.parent.glob("lib/python3*/site-packages"))))


def stamp():
    """What the pictures are drawn by, in a line a file."""
    return "".join(f"{hashlib.sha256((ROOT / name).read_bytes()).hexdigest()[:16]}  {name}\n" for name in DRAWN_BY)


def terminal(command, here, seconds):
    """The screen of a command on a terminal, after so many seconds; then it is asked to quit."""
    import fcntl
    import termios

    import pyte

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    variables = {name: value for name, value in here.variables.items() if name != "NO_COLOR"}
    shown = subprocess.Popen(command, env=variables | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}, cwd=here.folder,
                             stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    frame = None
    end = time.monotonic() + seconds
    while time.monotonic() < end + 5:
        if time.monotonic() >= end and frame is None:
            frame = [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(ROWS)]
            os.write(ours, b"q")
        if select.select([ours], [], [], 0.05)[0]:
            try:
                stream.feed(os.read(ours, 65536))
            except OSError:
                break
    shown.wait(10)
    os.close(ours)
    return frame


def svg(frame):
    """The frame as a picture: a line of text for each row, a piece of it for each colour."""
    from pyte.graphics import FG_BG_256

    names = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "white"]
    shades = ["#1e1e1e", "#f14c4c", "#23d18b", "#e5c07b", "#3b8eea", "#d670d6", "#29b8db", "#e5e5e5"]
    # A terminal's own sixteen colours, by name or by their number.
    colours = {"default": "#d4d4d4", "brightblack": "#808080", FG_BG_256[8]: "#808080"}
    colours |= dict(zip(names, shades)) | dict(zip(FG_BG_256, shades))
    wide, high = 8, 16
    width, height = COLUMNS * wide + 20, ROWS * high + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="monospace" font-size="13">',
           f'<rect width="{width}" height="{height}" rx="6" fill="#1e1e1e"/>']

    def look(cell):
        front, back = (colours.get(cell.fg, "#" + cell.fg if len(cell.fg) == 6 else colours["default"]),
                       None if cell.bg == "default" else colours.get(cell.bg, "#" + cell.bg))
        return (back or "#1e1e1e", front, cell.bold) if cell.reverse else (front, back, cell.bold)

    for y, row in enumerate(frame):
        x = 0
        while x < COLUMNS:
            end = x
            while end < COLUMNS and look(row[end]) == look(row[x]):
                end += 1
            text, (front, back, bold) = "".join(cell.data for cell in row[x:end]), look(row[x])
            place = f'x="{10 + x * wide}" textLength="{(end - x) * wide}"'
            if back:
                out.append(f'<rect x="{10 + x * wide}" y="{10 + y * high}" width="{(end - x) * wide}" height="{high}" fill="{back}"/>')
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                out.append(f'<text xml:space="preserve" {place} y="{23 + y * high}" fill="{front}"{weight}>{html.escape(text)}</text>')
            x = end
    return "\n".join([*out, "</svg>"]) + "\n"


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    raise need.Unavailable("no chromium on PATH")


def photograph(browser, page, scheme, folder):
    """The page in light or dark, as a PNG of few colours."""
    from PIL import Image

    raw = pathlib.Path(folder, f"{scheme}.png")
    # The preferred colour scheme: 0 is dark, 1 is light.
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000",
               f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", "--window-size=1100,1900",
               f"--user-data-dir={folder}/browser", f"--screenshot={raw}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if not raw.exists():
        raise Wrong(f"chromium made no picture: {done.stderr.strip()[-300:]}")
    picture = Image.open(raw).convert("RGB")
    seen = picture.resize((110, 190)).getcolors(30_000)
    light = sum(count * sum(colour) for count, colour in seen) / (3 * 255 * 110 * 190)
    if len(seen) < 50 or (light > 0.5) != (scheme == "light"):
        raise Wrong(f"the page in {scheme} shows {len(seen)} colours, {light:.0%} light")
    small = io.BytesIO()
    picture.quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def make(seconds):
    """The pictures, by name; the server runs so long under the live view."""
    packages()
    browser = chromium()
    made = {}
    with runs.ttnn("blackhole-8") as here:
        server = subprocess.Popen(["ttmem", "run", "--quiet", "--", "python", "server.py", str(seconds)], env=here.variables,
                                  cwd=here.folder, stdout=subprocess.PIPE, text=True)
        try:
            rings = pathlib.Path(here.variables["TTMEM_DIR"])
            deadline = time.monotonic() + 60
            while not list(rings.glob("run-*/*.ring")) and time.monotonic() < deadline:
                time.sleep(0.1)
            frame = terminal(["ttmem", "top"], here, seconds - 3)
        finally:
            server.wait(120)
        text = "\n".join("".join(cell.data for cell in row) for row in frame)
        for wanted in ("DEVICES", "DRAM", "HISTORY", "server.py"):
            if wanted not in text:
                raise Wrong(f"ttmem top shows no {wanted}:\n{text}")
        made["top.svg"] = svg(frame).encode()
        here.run(["ttmem", "record", "--quiet", "-o", "run.ttmem", "--", "python", "server.py"])
        here.run(["ttmem", "report", "--quiet", "--html", "run.html", "run.ttmem"])
        # The folder says nothing to a reader, and is another one each time.
        page = pathlib.Path(here.folder, "run.html")
        page.write_text(page.read_text().replace(f"{here.folder}/", ""))
        for scheme in ("light", "dark"):
            made[f"page-{scheme}.png"] = photograph(browser, page, scheme, here.folder)
    for name, content in made.items():
        if not 4_000 < len(content) < MOST_BYTES:
            raise Wrong(f"{name} has {len(content)} bytes")
    return made


def main():
    is_check = sys.argv[1:] == ["--check"]
    made = make(6 if is_check else 16)
    if is_check:
        for name in made:
            if not (PICTURES / name).exists() or (PICTURES / name).stat().st_size > MOST_BYTES:
                raise Wrong(f"docs/pictures/{name} is missing or too large")
        kept = PICTURES / "made-from.txt"
        if not kept.exists() or kept.read_text() != stamp():
            raise Wrong("what draws the pictures has changed since they were made; make them anew, and look at them:"
                        " python3 tests/docs/pictures.py")
        return
    PICTURES.mkdir(exist_ok=True)
    for name, content in made.items():
        (PICTURES / name).write_bytes(content)
        print(f"docs/pictures/{name}: {len(content)} bytes")
    (PICTURES / "made-from.txt").write_text(stamp())


if __name__ == "__main__":
    try:
        main()
    except need.Unavailable as reason:
        print(f"SKIPPED: the pictures of the documentation: {reason}")
    except (Wrong, runs.Wrong) as what:
        sys.exit(f"tests/docs/pictures.py: {what}")
