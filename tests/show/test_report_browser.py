"""Pages in headless Chromium, where it is installed: rendered, without errors, without overflow."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_pages import contents, every_page

from lstmgen.library.catalogue import entry
from lstmgen.show.report.page import rendered, set_into
from lstmgen.show.report.site import Card, thumbnail

WIDTHS = (360, 800, 1400)  # a phone, a tablet, a desk

# Frames have the widths; a script of this page, not of those in the frames, measures them.
_PROBE = """
<!DOCTYPE html><meta charset="utf-8"><body><pre id="found"></pre><script>
const pages = %s, widths = %s, found = [];
let left = pages.length * widths.length;
for (const [name, text] of pages) for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement, outside = [];
    for (const e of page.querySelectorAll("body *")) {
      if (e.closest(".scroll, .skip, .hidden, svg, math")) continue;
      const box = e.getBoundingClientRect();
      const over = box.right > width + 0.5 || box.left < -0.5;
      if (box.width && over) outside.push(e.outerHTML.slice(0, 90));
    }
    const [letter, index] = page.querySelector("math.eq msub")?.children ?? [];
    const bottom = e => e.getBoundingClientRect().bottom;
    found.push({
      name, width, scroll: root.scrollWidth, outside,
      text: page.body.innerText,
      lowered: letter ? bottom(index) - bottom(letter) : null,
      lines: [...page.querySelectorAll("math.eq")].map(m => m.getBoundingClientRect().height),
    });
    if (!--left) document.getElementById("found").textContent = JSON.stringify(found);
  };
  frame.srcdoc = text;
  document.body.append(frame);
}
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    # Nothing but Python, pip and a C++ compiler is taken for granted, in CI too.
    pytest.skip("Chromium is not installed: no page can be looked at")


def browse(chromium: str, page: Path, profile: Path) -> tuple[str, list[str]]:
    """The page's DOM once it has settled, and the messages on its console."""
    done = subprocess.run(
        [
            chromium, "--headless", "--disable-gpu", "--no-first-run", "--enable-logging=stderr",
            *(["--no-sandbox"] * (os.name == "posix" and os.geteuid() == 0)),
            f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, re.findall(r":CONSOLE[:(]\d+\)?\] (.*)", done.stderr)


@pytest.fixture(scope="module")
def measured(
    chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[dict[str, Any]], list[str]]:
    """Every page at every width, and the messages of all."""
    folder = tmp_path_factory.mktemp("browser")
    pages = [(name, text) for name, _, text in every_page()]
    card = Card(entry("lstm"), "lstm.html", thumbnail(contents("lstm").drawing.svg), True)
    pages.append(("index", set_into("site.html.j2", families={"LSTM": [card] * 5})))
    # Text that stands in a script must not end it.
    text = json.dumps(pages).replace("</", "<\\/")
    (folder / "probe.html").write_text(_PROBE % (text, list(WIDTHS)), encoding="utf-8")
    dom, messages = browse(chromium, folder / "probe.html", folder / "profile")
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found and found[1], "the probe did not finish"
    return json.loads(html.unescape(found[1])), messages


def test_nothing_is_wider_than_the_window(
    measured: tuple[list[dict[str, Any]], list[str]],
) -> None:
    found, _ = measured
    assert sorted({m["width"] for m in found}) == list(WIDTHS)
    assert len(found) == 4 * len(WIDTHS)
    for one in found:
        assert one["scroll"] <= one["width"], (one["name"], one["width"], one["outside"][:3])
        assert one["outside"] == [], (one["name"], one["width"])


def test_no_page_has_anything_to_complain_about(
    measured: tuple[list[dict[str, Any]], list[str]],
) -> None:
    assert measured[1] == []


def test_a_complaint_would_be_seen(chromium: str, tmp_path: Path) -> None:
    """A script in a page is refused by its own policy, on the console."""
    text = rendered(contents("lstm"))
    (tmp_path / "page.html").write_text(
        text.replace("</body>", "<script>document.title = 'run'</script></body>"), encoding="utf-8"
    )
    dom, messages = browse(chromium, tmp_path / "page.html", tmp_path / "profile")
    assert "<title>run</title>" not in dom
    assert len(messages) == 1 and "Content Security Policy" in messages[0]


def test_formulas_are_rendered(measured: tuple[list[dict[str, Any]], list[str]]) -> None:
    for one in measured[0]:
        if one["name"] == "index":
            continue
        assert one["lowered"] > 1, "a subscript stands lower than its letter"
        assert len(one["lines"]) > 20 and min(one["lines"]) > 8
    narrow, wide = (
        next(m for m in measured[0] if (m["name"], m["width"]) == ("lstm", w)) for w in (360, 1400)
    )
    assert sum(narrow["lines"]) > sum(wide["lines"]), "long formulas are broken into lines"


def test_what_must_be_there_is_visible(
    measured: tuple[list[dict[str, Any]], list[str]],
) -> None:
    for one in measured[0]:
        if one["name"] == "index":
            wanted = ["Recurrent cells", "Gers et al. 2000", entry("lstm").summary]
        else:
            wanted = [
                one["name"], "Derived gradients", "(δ1)", "✓ All ", "checks passed.",
                "FLOP per byte", "def backward(params, tape, dy=None, dstate=None):",
                "Every check", "The module for CuPy, ",
            ]  # fmt: skip
        for text in wanted:
            assert text in one["text"], (one["name"], one["width"], text)
        if one["name"] == "odd_cell":
            assert "<script>alert(1)</script>" in one["text"]
