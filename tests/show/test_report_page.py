"""The page of a cell: what it holds, its links, its form, and what may not be in it."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from report_pages import Document, contents, every_page, odd_contents, page_text

import lstmgen
from lstmgen.library.loading import load
from lstmgen.show.costs import Formula
from lstmgen.show.flow import Curve, Flow
from lstmgen.show.report import flowing
from lstmgen.show.report.checking import checks
from lstmgen.show.report.code import anchor, linked, listing, runs
from lstmgen.show.report.page import SECTIONS, is_page, rendered
from lstmgen.templates_folder import template_folder
from lstmgen.verification.report import Check, Report


def test_pages_are_well_formed() -> None:
    for name, _, text in every_page():
        document = Document(text)
        assert document.mistakes == [], name
        ids = document.having("id")
        assert len(set(ids)) == len(ids), (name, [i for i in ids if ids.count(i) > 1])
        assert is_page(text.encode())


def test_every_link_of_a_page_resolves() -> None:
    for name, _, text in every_page():
        document = Document(text)
        ids = set(document.having("id"))
        hrefs = [a["href"] for a in document.all("a")]
        assert hrefs and {h for h in hrefs if h[0] != "#" or h[1:] not in ids} == set(), name
        for attribute in ("aria-labelledby", "aria-describedby"):
            for value in document.having(attribute):
                assert set(value.split()) <= ids, (name, value)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    for name, _, text in every_page():
        document = Document(text)
        tags = {tag for tag, _ in document.tags}
        assert not tags & {"script", "img", "iframe", "object", "embed", "video", "audio"}, name
        assert [a["href"] for a in document.all("link")] == ["data:,"]
        assert document.having("src") == []
        assert not [a for _, found in document.tags for a in found if a.startswith("on")]
        style = text[text.index("<style>") : text.index("</style>")]
        assert "url(" not in style and "@import" not in style
        (policy,) = [m for m in document.all("meta") if "http-equiv" in m]
        assert policy["content"].startswith("default-src 'none';")


def test_the_sections_in_order_with_headings_that_skip_no_level() -> None:
    for name, cell, text in every_page():
        document = Document(text)
        levels = [level for level, _ in document.headings]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), name
        assert document.headings[0][1] == cell.name
        assert [t for level, t in document.headings if level == 2] == [t for _, t in SECTIONS]


def test_pages_can_be_used_without_eyes_or_mouse() -> None:
    for name, _, text in every_page():
        document = Document(text)
        assert document.all("html") == [{"lang": "en"}]
        assert document.tags[[t for t, _ in document.tags].index("body") + 1][1]["class"] == "skip"
        for found in document.all("th"):
            assert found.get("scope") in ("col", "row"), name
        boxes = [f for _, f in document.tags if "scroll" in f.get("class", "").split()]
        assert boxes
        for box in boxes:
            assert box.get("tabindex") == "0" and box.get("aria-label"), (name, box)
        figures = list(document.all("svg"))
        assert len(figures) == 3 == len(document.all("figcaption"))
        for svg in figures:
            assert svg["role"] == "img" and ("aria-label" in svg or "aria-labelledby" in svg)
        # Lists, tables and sections have what belongs into them.
        assert len(document.all("caption")) == len(document.all("table"))


def test_every_equation_is_there_with_its_label() -> None:
    for name, found, text in every_page():
        document = Document(text)
        ids = document.having("id")
        for formula in (*found.equations.formulas, *found.adjoints.formulas):
            assert anchor(formula.label) in ids
            assert str(formula.math) in text
        cell = load(name) if name in lstmgen.library.loading.names() else None
        if cell is not None:
            wanted = {d.label for d in cell.normal_form.definitions}
            wanted |= {a.label for a in cell.gradients.adjoints}
            wanted |= {p.label for p in cell.gradients.parameters}
            wanted |= {i.label for i in (*cell.gradients.inputs, *cell.gradients.initial)}
            assert found.labels == wanted
        pairs = range(1, len(found.states) ** 2 + 1)
        assert [f"eq-J{k}" in ids for k in pairs] == [True for _ in pairs]


def test_every_label_in_code_links_and_every_equation_leads_to_code() -> None:
    for name, found, text in every_page():
        for code in found.listings:
            inner = str(code.code)
            bare = re.sub(r"<a [^>]*>.*?</a>", "", inner)
            comments = re.findall(r'<span class="[cd]">(.*?)</span>', bare)
            assert not [c for c in comments if re.search(r"\((?:\d+[a-z]?|δ\d+)\)", c)], name
            assert code.links == inner.count("<a ") > 10
            assert set(code.lines) <= set(found.labels)
            for label, lines in code.lines.items():
                for line in lines:
                    row = inner.split("\n")[line - 1]
                    assert f'id="{code.target}-{line}"' in row
                    assert f'<a href="#{anchor(label)}">{label}</a>' in row
        assert f'href="#numpy-{found.listings[0].lines["1"][0]}"' in text


def test_the_code_is_that_of_the_modules() -> None:
    from lstmgen.targets import registry
    from lstmgen.targets.rendering import files

    found, _ = registry.available()
    texts = [text for target in found.values() for text in files(load("lstm"), target).values()]
    assert len(contents("lstm").listings) == len(texts)
    for code in contents("lstm").listings:
        plain = Document(f"<pre>{code.code}</pre>")
        assert "".join(plain.texts) in texts


def test_in_kernels_only_comments_are_linked() -> None:
    source = '_K = r"""\nx = (1) * f(1); // (1) (9)\n"""\ny = (1)  # (1), not (2b)\n'
    found = listing(source, "numpy", {"1", "2"})
    assert found.lines == {"1": (2, 4)}
    assert found.links == 2


def test_a_file_that_computes_no_equation_is_not_said_to() -> None:
    states, computes = '"""(1) h = x."""\n', "y = x  # (2)\n"
    assert listing(states, "c", {"1", "2"}).lines == {}
    assert listing(states + computes, "numpy", {"1", "2"}).lines == {"1": (1,), "2": (2,)}


def test_labels_are_linked_where_they_are_known() -> None:
    assert linked("4, δ11-δ21", {"4", "δ21"}) == (
        '<a href="#eq-4">4</a>, δ11–<a href="#eq-d21">δ21</a>'
    )


def test_runs_of_lines() -> None:
    assert runs((3, 4, 5, 9, 11, 12)) == [(3, 5), (9, 9), (11, 12)]
    assert runs(()) == []


def test_what_the_page_of_lstm_says() -> None:
    text = Document(page_text("lstm")).text
    for wanted in (
        "Long short-term memory with forget gate.",
        "Gers, J. Schmidhuber, F. Cummins",
        "✓ All ",
        "131 584",  # 4 matrices of 128 x 256, and 4 biases
        "lstmgen flow lstm -H 32",
        "The module for CuPy, ",
        load("lstm").digest,
    ):
        assert wanted in text, wanted


def test_costs_are_those_of_the_formulas() -> None:
    costs = contents("lstm").costs
    sizes = {letter: number for letter, _, number in costs.sizes}
    assert sizes == {"T": 100, "B": 32, "H": 128, "D": 128}
    everything = Formula.of(4, "H", "H") + Formula.of(4, "H", "D") + Formula.of(4, "H")
    assert int(costs.total.example.replace("\u202f", "")) == everything.at(sizes)
    assert [row.part for row in costs.intensities] == ["forward", "backward", "parameters", "all"]
    # 2 operations for each of 4H(H + D) weights, row and step, in each of three parts.
    least = 3 * 2 * 4 * 128 * 256 * 32 * 100 / 1e9
    assert least < float(costs.intensities[-1].flops.split("\u00a0")[0]) < 1.02 * least


def test_the_schedule_has_all_products_and_blocks() -> None:
    schedule = load("lstm").schedule
    steps = [step for part in contents("lstm").plan.parts for step in part.steps]
    stages = [*schedule.forward.stages, *schedule.backward.stages]
    assert len(steps) == len(stages) + len(schedule.weight_gradients) + 1
    assert [s.kind for s in steps].count("block") == sum(
        type(stage).__name__ == "Block" for stage in stages
    )
    titles = [part.title for part in contents("lstm").plan.parts]
    assert len(set(titles)) == len(titles)


def test_text_of_a_cell_is_escaped() -> None:
    text = rendered(odd_contents())
    document = Document(text)
    assert document.mistakes == []
    assert document.all("script") == [] and document.all("img") == []
    assert "A cell <b>with</b> \"two\" inputs & 'marks' </title><script>" in document.text
    assert 'nobody, "<img src=x>", continued.' in document.text


def test_a_cell_with_its_own_output_and_two_inputs() -> None:
    found = odd_contents()
    assert len(found.inputs) == 2
    assert found.checks.ok
    assert "Inputs" in Document(rendered(found)).text


def test_failed_checks_are_shown() -> None:
    failed = Check("forward float64", "4", "C <of> t", 0.5, 1e-12, False, "at [0, 1]")
    passed = Check("forward float64", "6", "h", 1e-16, 1e-12, True)
    found = checks(Report("lstm", "numpy", "cpu", "generated", (passed, failed)), {"4"})
    assert not found.ok and found.verdict == "1 of 2 checks failed."
    (kind,) = found.kinds
    assert (kind.count, kind.passed, kind.error, kind.bound) == (2, 1, "5e−1", "1e−12")
    text = rendered(replace(contents("lstm"), checks=found))
    assert Document(text).mistakes == []
    assert "✗ 1 of 2 checks failed." in Document(text).text
    assert '<a href="#eq-4">4</a>): C &lt;of&gt; t, error 5e−1, bound 1e−12 (at [0, 1])' in text


def test_the_bytes_are_the_same_for_every_hash_seed() -> None:
    program = (
        "from lstmgen import load\n"
        "from lstmgen.show.report.page import page\n"
        "import sys; sys.stdout.buffer.write(page(load('rnn')).encode())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "3")
    }
    (text,) = found
    assert is_page(text)
    assert os.getcwd().encode() not in text and str(template_folder()).encode() not in text


def test_a_gradient_that_is_zero_everywhere_is_said_and_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zero = Flow(flowing.SETTINGS, (Curve("lstm", "h", {"b_f": 1.0}, ((0.0,) * 100,)),))
    monkeypatch.setattr(flowing, "measure", lambda cells, settings, progress: zero)
    found = flowing.flowing(load("lstm"))
    assert found.plot == ""
    document = Document(rendered(replace(contents("lstm"), flow=found)))
    assert document.mistakes == []
    assert "No gradient reaches the states of earlier steps" in document.text
    assert len(document.all("svg")) == 2


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_at_least_that_of_wcag_aa(scheme: str) -> None:
    style = (template_folder() / "report.css.j2").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        assert style.index("prefers-color-scheme: dark") < style.index(blocks[1])
        colours |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[1]))
    for ink in "ink soft link good bad word string comment".split():
        for paper in "paper panel mark".split():
            light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, ink, paper)
