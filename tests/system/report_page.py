"""Draws reports in Chromium and reads what then stands on their pages.

Usage: report_page.py REPORT_FIXTURE, the program that writes the reports.
"""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FIGURES = 14
TABLES = 5
# The marks of Observable Plot that stand for data; axes, rules and frames do not.
DATA = {"bar", "cell", "dot", "line", "rect"}
SHAPES = {"circle", "line", "path", "rect"}


class Page(html.parser.HTMLParser):
    """The figures of a page with what is in them, and what is on it beside them."""

    def __init__(self, text):
        super().__init__()
        self.figures, self.errors, self.ids, self.images = [], [], set(), 0
        self.title = ""
        self._mark, self._in_error, self._in_title = None, False, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        self.ids.add(attributes.get("id"))
        self.images += tag == "img"
        if tag == "g" and attributes.get("aria-label"):
            self._mark = attributes["aria-label"]
        if tag == "figure" and attributes.get("id"):
            self._mark = None
            self.figures.append({"id": attributes["id"], "svg": 0, "marks": 0, "table": 0})
        elif self.figures:
            figure = self.figures[-1]
            figure["svg"] += tag == "svg"
            figure["marks"] += tag in SHAPES and self._mark in DATA
            figure["table"] += tag == "table"
        self._in_error = "error" in classes
        self._in_title = tag == "title" and not self.title

    def handle_data(self, data):
        if self._in_error:
            self.errors.append(data)
        if self._in_title:
            self.title += data
        self._in_error = self._in_title = False


def draw(report, profile):
    """The page after its scripts ran, and what they wrote to the console."""
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         f"--user-data-dir={profile}", "--enable-logging=stderr", "--window-size=1200,1000",
         "--virtual-time-budget=10000", "--dump-dom", report.as_uri()],
        capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"chromium ended with {done.returncode}:\n{done.stderr}")
    return Page(done.stdout), re.findall(r":CONSOLE.*", done.stderr)


def problems_of(page, console):
    """What no report may have."""
    yield from (f"it says {text!r}" for text in page.errors)
    yield from (f"the console says {line}" for line in console)
    if "waiting" in page.ids:
        yield "its scripts did not come to their end"
    if page.images:
        yield "a name became an image"
    if "owned" in page.title and "<" not in page.title:
        yield "a name ran as a script"
    for figure in page.figures:
        is_chart = figure["id"].startswith("figure")
        if is_chart and (figure["svg"] == 0 or figure["marks"] == 0):
            yield f"{figure['id']} has nothing drawn: {figure}"
        if not is_chart and figure["table"] == 0:
            yield f"{figure['id']} has no table"


def problems_of_whole(page):
    """What a report that has everything may lack in no case."""
    charts = sum(figure["id"].startswith("figure") for figure in page.figures)
    if charts != FIGURES or len(page.figures) - charts != TABLES:
        yield (f"it has {charts} figures and {len(page.figures) - charts} tables; there must be "
               f"{FIGURES} and {TABLES}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: report_page.py REPORT_FIXTURE")
    if shutil.which("chromium") is None:
        sys.exit("there is no chromium; sh deploy/setup.sh --with-lint installs it")
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        subprocess.run([sys.argv[1], folder], check=True)
        for name in ("hostile", "empty"):
            page, console = draw(root / name / "report.html", root / "profile")
            problems += [f"{name}: {text}" for text in problems_of(page, console)]
            if name == "hostile":
                problems += [f"{name}: {text}" for text in problems_of_whole(page)]
    if problems:
        sys.exit("\n".join(problems))
    print("report page: drawn")


if __name__ == "__main__":
    main()
