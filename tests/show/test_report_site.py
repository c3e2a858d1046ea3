"""The site of many cells, and the command: what is written where, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import slow_pages
from report_pages import Document, contents

import lstmgen.show.report.contents
from lstmgen.cli.root import main
from lstmgen.errors import UsageError
from lstmgen.library import catalogue
from lstmgen.library import loading as library
from lstmgen.library.catalogue import Entry
from lstmgen.show.report.page import is_page, rendered, save
from lstmgen.show.report.site import INDEX, _made, all_cells, file_names, thumbnail, write_site

FAMILIES = {"RNN": [catalogue.entry("rnn")], "Mine & <others>": [catalogue.entry("indrnn")]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new" / "site"
    seen: list[float] = []
    made = write_site(FAMILIES, folder, workers=2, progress=lambda _, done: seen.append(done))
    assert (made.files, made.changed, made.failed) == (3, 3, ())
    assert seen == [0.5, 1.0]
    return folder


def test_a_site_is_an_index_and_a_page_for_each_cell(site: Path) -> None:
    assert sorted(p.name for p in site.iterdir()) == ["index.html", "indrnn.html", "rnn.html"]
    for path in site.iterdir():
        assert is_page(path.read_bytes())
        assert Document(path.read_text(encoding="utf-8")).mistakes == []


def test_every_link_of_the_site_resolves(site: Path) -> None:
    documents = {p.name: Document(p.read_text(encoding="utf-8")) for p in site.iterdir()}
    ids = {name: {"", *document.having("id")} for name, document in documents.items()}
    for name, document in documents.items():
        hrefs = [a["href"] for a in document.all("a")]
        assert ("rnn.html" if name == INDEX else INDEX) in hrefs
        for href in hrefs:
            file, _, part = href.partition("#")
            assert part in ids[file or name], (name, href)


def test_the_index_says_what_there_is(site: Path) -> None:
    index = Document((site / INDEX).read_text(encoding="utf-8"))
    assert index.headings == [
        (1, "Recurrent cells"), (2, "RNN"), (3, "rnn"), (2, "Mine & <others>"), (3, "indrnn"),
    ]  # fmt: skip
    for entry in (catalogue.entry("rnn"), catalogue.entry("indrnn")):
        assert entry.citation in index.text and str(entry.year) in index.text
        assert entry.summary in index.text
    ids = index.having("id")
    assert len(ids) == len(set(ids))
    pictures = index.all("svg")
    assert len(pictures) == 2 and all(p["aria-hidden"] == "true" for p in pictures)


def test_a_page_of_the_site_is_that_of_the_cell_alone(site: Path) -> None:
    """Whichever process made it."""
    text = (site / "rnn.html").read_text(encoding="utf-8")
    assert text == rendered(contents("rnn"), index=INDEX)


def test_a_thumbnail_has_no_words_for_screen_readers() -> None:
    small = thumbnail(contents("rnn").drawing.svg)
    document = Document(small)
    assert document.mistakes == []
    assert [tag for tag, _ in document.tags].count("title") == 0
    assert "rnn" not in small and 'viewBox="' in small
    assert document.having("id") == []


def test_the_whole_library_has_an_entry() -> None:
    families, problems = all_cells()
    found = [entry.name for entries in families.values() for entry in entries]
    assert set(library.built_in_names()) <= set(found)
    assert problems == ()
    assert all(families.values())


def test_file_names_do_not_clash() -> None:
    assert file_names(["lstm", "index", "LSTM", "Index"]) == {
        "lstm": "lstm.html",
        "index": "index-2.html",
        "LSTM": "LSTM-2.html",
        "Index": "Index-3.html",
    }


def test_a_site_does_not_begin_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "indrnn.html").write_text("<!DOCTYPE html>\nmine")
    with pytest.raises(UsageError, match=r"indrnn\.html was not written by lstmgen"):
        write_site(FAMILIES, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["indrnn.html"]


def test_a_cell_that_fails_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(contents("rnn"), checks=replace(contents("rnn").checks, ok=False))
    monkeypatch.setattr("lstmgen.show.report.site.gather", lambda cell: wrong)
    families: dict[str, list[Entry]] = {"RNN": [catalogue.entry("rnn")]}
    assert write_site(families, tmp_path).failed == ("rnn",)
    assert "✗ checks failed" in (tmp_path / INDEX).read_text(encoding="utf-8")


def test_a_page_is_written_once_and_only_over_pages(tmp_path: Path) -> None:
    path, text = tmp_path / "deep" / "rnn.html", rendered(contents("rnn"))
    assert save(text, path).action == "written"
    assert save(text, path).action == "unchanged"
    assert save(text.replace("Rails", "rails") + "\n", path).action == "updated"
    path.write_text("<!DOCTYPE html>\n<html><body>Mine, about lstmgen.</body></html>\n")
    with pytest.raises(UsageError, match="was not written by lstmgen"):
        save(text, path)
    assert "Mine" in path.read_text()
    assert save(text, path, force=True).action == "updated"
    assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path], "no temporary file is left"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["report", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "report needs a CELL"),
        (["--all"], "give their folder: -o site"),
        (["lstm", "--all", "-o", "site"], "leave out lstm"),
        (["lstm", "-o", "lstm.pdf"], "lstm.pdf: the page is an HTML file"),
        (["lstm", "-o", "mine.html"], "mine.html was not written by lstmgen"),
        (["--all", "-o", "mine.html"], "mine.html is not a folder"),
        (["lstn", "-o", "new.html"], "did you mean lstm?"),
    ],
)
def test_wrong_calls(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.html").write_text("mine")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.html"]


def test_refused_equations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.txt").write_text("h_t = h_{t-2}\n")
    code, out, err = run(capsys, str(tmp_path / "bad.txt"), "-o", str(tmp_path / "bad.html"))
    assert (code, out) == (3, "")
    assert err.startswith("lstmgen: ")


def test_the_command_writes_a_page_or_prints_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rnn.html"
    code, out, err = run(capsys, "rnn", "-o", str(path))
    assert (code, out, err) == (0, "", f"lstmgen: {path}: written\n")
    assert path.read_text(encoding="utf-8") == rendered(contents("rnn"))

    made = contents("rnn")
    monkeypatch.setattr(lstmgen.show.report.contents, "gather", lambda cell, progress: made)
    assert run(capsys, "rnn") == (0, rendered(made), "")
    failed = replace(made, checks=replace(made.checks, ok=False, verdict="1 of 9 checks failed."))
    monkeypatch.setattr(lstmgen.show.report.contents, "gather", lambda cell, progress: failed)
    code, _, err = run(capsys, "rnn", "-o", str(path))
    assert code == 1
    assert err == f"lstmgen: {path}: updated\nlstmgen: rnn: 1 of 9 checks failed.\n"
    assert "✗ 1 of 9 checks failed." in path.read_text(encoding="utf-8")


# What ends the work -----------------------------------------------------------------------------


def children_of(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def runs(process: int) -> bool:
    """Whether it is there, and more than an entry that nobody has read yet."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc here")
@pytest.mark.filterwarnings("ignore:.*fork")  # Python's and JAX's, if other tests have threads
@pytest.mark.parametrize("first", ["quick", "busy"])
def test_an_interrupt_ends_all_processes_at_once_and_in_silence(first: str) -> None:
    """While it waits for a page, and while it is at one that was made: "busy" stays there."""
    program = [sys.executable, str(Path(slow_pages.__file__)), first, *"abcdefgh"]
    with subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{first}\n"
        children = children_of(process.pid)
        assert len(children) >= 2
        begin = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of it
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # or this would wait for it
            raise
        assert (out, err, process.returncode) == ("interrupted\n", "", 0)
        assert time.monotonic() - begin < 5
        while any(map(runs, children)):
            assert time.monotonic() - begin < 20
            time.sleep(0.05)


def test_an_error_in_a_page_ends_the_others() -> None:
    begin = time.monotonic()
    with pytest.raises(ValueError, match="on purpose"):
        list(_made(["broken", "a", "b"], 2, slow_pages.make))
    assert time.monotonic() - begin < 60
