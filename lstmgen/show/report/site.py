"""A folder of pages: an index by family, and a page for each cell."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from lstmgen.library import catalogue, packages
from lstmgen.library.catalogue import Entry
from lstmgen.library.loading import load
from lstmgen.show.report.contents import gather
from lstmgen.show.report.page import is_page, rendered, save, set_into
from lstmgen.targets.writing import check_ours

__all__ = ["INDEX", "Card", "Page", "Site", "all_cells", "file_names", "write_site"]

INDEX = "index.html"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page, with what the index needs of it.

    Attributes:
        name: the cell.
        text: the page.
        thumbnail: the drawing, small and without words.
        ok: whether every check passed.
    """

    name: str
    text: str
    thumbnail: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A cell in the index."""

    entry: Entry
    href: str
    thumbnail: Markup
    ok: bool


@dataclass(frozen=True)
class Site:
    """What was written: how many files in all, how many changed, and the cells that failed."""

    files: int
    changed: int
    failed: tuple[str, ...]


def all_cells() -> tuple[dict[str, tuple[Entry, ...]], tuple[str, ...]]:
    """The cells that can be loaded, by family, then by package; and what is wrong with others."""
    families, problems = catalogue.described()
    found = packages.find()
    others, broken = catalogue.of_packages(found.offers)
    families |= {f"From {package}": entries for package, entries in others.items()}
    return (
        {family: entries for family, entries in families.items() if entries},
        (*problems, *found.problems, *broken),
    )


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each cell; none is the index, and no two differ by case alone."""
    taken = {INDEX}
    found: dict[str, str] = {}
    for name in names:
        file, number = f"{name}.html", 1
        while file.casefold() in taken:
            number += 1
            file = f"{name}-{number}.html"
        taken.add(file.casefold())
        found[name] = file
    return found


def write_site(
    families: Mapping[str, Sequence[Entry]],
    folder: Path,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Site:
    """Write the pages of cells and their index; the index comes last, so its links resolve.

    Args:
        families: the cells, by the headings of the index.
        folder: where they go; it is made if need be.
        force: overwrite even files that lstmgen did not write.
        workers: how many processes make pages; with one, this process does.
        progress: called with a text and the part of the work that is done, from 0 to 1.

    Raises:
        UsageError: a file is in the way, or cannot be written; nothing was written in the first
            case.
    """
    names = [entry.name for entries in families.values() for entry in entries]
    files = file_names(names)
    for file in (INDEX, *files.values()):
        check_ours(folder / file, is_ours=is_page, force=force)
    pages: dict[str, Page] = {}
    changed = 0
    # Closed here, its workers end however this ends, and not when the interpreter waits for them.
    with contextlib.closing(_made(names, workers)) as made:
        for page in made:
            pages[page.name] = page
            if progress:
                done = len(pages)
                progress(f"{page.name}, {done} of {len(names)} pages", done / len(names))
            outcome = save(page.text, folder / files[page.name], force=force)
            changed += outcome.action != "unchanged"
    cards = {
        family: tuple(
            Card(e, files[e.name], Markup(pages[e.name].thumbnail), pages[e.name].ok)
            for e in entries
        )
        for family, entries in families.items()
    }
    index = save(set_into("site.html.j2", families=cards), folder / INDEX, force=force)
    changed += index.action != "unchanged"
    failed = tuple(name for name in names if not pages[name].ok)
    return Site(len(names) + 1, changed, failed)


def _made(
    names: Sequence[str], workers: int, make: Callable[[str], Page] | None = None
) -> Generator[Page, None, None]:
    """The pages as they are finished; with an interrupt or an error all workers end at once.

    So they do when this is closed.
    """
    work = make or make_page
    if workers <= 1 or len(names) <= 1:
        yield from map(work, names)
        return
    # Not forked: libraries with threads of their own do not survive that everywhere.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(workers, len(names)), mp_context=context, initializer=_leave_interrupts
    ) as pool:
        try:
            with _without_interrupts():  # which a process inherits that is started here
                futures = [pool.submit(work, name) for name in names]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            raise


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that reads it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def make_page(name: str) -> Page:
    """The page of a cell that `load` knows by name."""
    contents = gather(load(name))
    text = rendered(contents, index=INDEX)
    return Page(name, text, thumbnail(contents.drawing.svg), contents.checks.ok)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thumbnail(svg: str) -> str:
    """A drawing as a picture beside a name that says all: no title, nothing for screen readers."""
    text = re.sub(r"<(title|desc)[^>]*>.*?</\1>\s*", "", svg, flags=re.DOTALL)
    text = re.sub(r' (?:role|aria-labelledby|width|height)="[^"]*"', "", text.partition(">")[0]) + (
        ">" + text.partition(">")[2]
    )
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
