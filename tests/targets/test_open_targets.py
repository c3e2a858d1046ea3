"""A target of another package: build, verify, explain, report, doctor and the help know it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lstmgen
from lstmgen import targets
from lstmgen.cli.root import main
from lstmgen.errors import UnavailableError, UsageError

TARGET = '''\
"""A target of another package: NumPy's text under another name, with a file of notes beside it."""

from lstmgen.targets import Inspection, Option, Requirement, Sizes, Target, get


class Mirror(Target):
    name = "mirror"
    title = "Mirror"
    summary = "NumPy, seen in a mirror."
    options = (
        Option("polish", ("dull", "bright"), "dull", "bright: say so in the notes."),
        Option("frame", ("none", "oak"), "none", "oak: nothing changes.", in_header=False),
    )
    devices = ("moon", "cpu")
    sizes = Sizes(more=((2, 2, 4, 3),), batches=(3,))

    def render(self, cell, options):
        from lstmgen.targets.common.header import header_line

        text = get("numpy").render(cell, get("numpy").settle({}))
        said = {} if options["polish"] == "dull" else {"polish": options["polish"]}
        first, rest = text.split("\\n", 1)
        return f'"""{header_line(cell.name, self.name, said)}\\n{rest}'

    def files(self, cell, options):
        from lstmgen.targets.common.header import header_line

        line = header_line(cell.name, self.name)
        notes = f"// {line}\\n// (1) is the first equation.\\n{options['polish']}\\n"
        return {**super().files(cell, options), f"{cell.name}_mirror.notes": notes}

    def explain(self, cell):
        return {"Reflections of the Mirror module": [f"{cell.name} backwards: {cell.name[::-1]}"]}

    def check_available(self, device):
        from lstmgen.errors import UnavailableError

        if device == "moon":
            raise UnavailableError("the moon is far away")

    def runner(self, module, device=None, name="generated"):
        return super().runner(module, "cpu" if device in (None, "auto") else device, name)

    def load(self, files, device, folder=None):
        self.check_available(device)
        return super().load(files, device, folder)

    def quick_check(self, cell, files):
        from lstmgen.verification.quick import check_module

        return check_module(cell, self.runner(self.load(files, "cpu")))

    def requirements(self):
        return (
            Requirement("glass", lambda: "of 1835", "mirrors", "melt sand"),
            Requirement("numpy", lambda: "any", "what is mirrored", ""),
            Requirement("silver", lambda: None, "the back of mirrors", "dig for it"),
            Requirement("luck", lambda: 1 / 0, "seven years", ""),
        )

    def extra_checks(self, bench):
        from lstmgen.verification.labels import Label

        bench.session.ledger.verdict("symmetry", Label("", "left is right"), True, "")

    def inspect(self, runner):
        return Inspection(kernels=({"kernel": "gaze", "registers": 2},), lines=("gaze: 2",))
'''

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package: its entry points, as lines, and its one module."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def installed(package: str, entries: str, text: str = TARGET) -> Path:
        information = tmp_path / f"{package}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[lstmgen.targets]\n{entries}\n")
        (tmp_path / f"{package}_target.py").write_text(text)
        return tmp_path

    yield installed  # type: ignore[misc]
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def mirror(install: Install) -> Path:
    return install("mirror", "mirror = mirror_target:Mirror")


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_names_come_without_loading_it(mirror: Path) -> None:
    assert targets.names() == (*targets.registry.BUILT_IN, "mirror")
    assert "mirror_target" not in sys.modules
    assert targets.get("mirror").title == "Mirror"


def test_the_help_has_its_name_summary_and_options(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, _ = outcome(capsys, "build", "--help")
    assert "mirror  NumPy, seen in a mirror." in text
    assert "--polish [dull|bright]" in text and "bright: say so in the notes." in text
    assert "For mirror." in text
    _, text, _ = outcome(capsys, "verify", "--help")
    assert "|moon" in text
    _, text, _ = outcome(capsys, "explain", "--help")
    assert "|mirror]" in text


def test_it_is_built_and_checked(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "build", "rnn", "--target", "mirror", "--polish", "bright")
    assert (code, err) == (0, "")
    assert out == "generated/rnn_mirror.py: written\ngenerated/rnn_mirror.notes: written\n"
    text = Path("generated/rnn_mirror.py").read_text()
    assert text.startswith('"""rnn for mirror, generated by lstmgen ')
    assert " with --polish bright.\n" in text
    assert Path("generated/rnn_mirror.notes").read_text().endswith("\nbright\n")
    check = ("build", "rnn", "--target", "mirror", "--check")
    assert outcome(capsys, *check)[0] == 0, "the file says how it was built"
    assert outcome(capsys, *check, "--polish", "dull")[0] == 1
    assert outcome(capsys, "build", "--check", "--target", "mirror")[0] == 0
    notes = Path("generated/rnn_mirror.notes")
    notes.write_text(notes.read_text() + "edited\n")
    code, _, err = outcome(capsys, *check)
    assert code == 1 and "-edited" in err and "1 of 2" in err
    code, out, _ = outcome(capsys, "build", "rnn", "--target", "mirror")
    assert out.splitlines() == [
        "generated/rnn_mirror.py: updated",
        "generated/rnn_mirror.notes: updated",
    ]


def test_a_file_of_somebody_else_keeps_all_of_them_away(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("generated").mkdir()
    Path("generated/rnn_mirror.notes").write_text("mine\n")
    code, out, err = outcome(capsys, "build", "rnn", "--target", "mirror")
    assert (code, out) == (2, "") and "rnn_mirror.notes was not written by lstmgen" in err
    assert [path.name for path in Path("generated").iterdir()] == ["rnn_mirror.notes"]


def test_options_are_those_of_the_target(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outcome(capsys, "build", "rnn", "--target", "numpy", "--polish", "bright")
    assert code == 2 and "the target numpy has no option --polish; it has --recompute" in err
    code, _, err = outcome(capsys, "build", "rnn", "--target", "mirror", "--polish", "matte")
    assert code == 2 and "matte" in err
    with pytest.raises(UsageError, match="polish: expected dull or bright, got 'matte'"):
        lstmgen.render("rnn", "mirror", polish="matte")
    assert "bright" in lstmgen.render("rnn", "mirror", polish="bright")


def test_it_is_verified(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "verify", "rnn", "--target", "mirror", "--json")
    data = json.loads(out)
    assert (code, err) == (0, "")
    assert (data["target"], data["device"], data["ok"]) == ("mirror", "cpu", True)
    assert data["kernels"] == [{"kernel": "gaze", "registers": 2}]
    assert [c["what"] for c in data["checks"] if c["check"] == "symmetry"] == ["left is right"]
    outcome(capsys, "build", "rnn", "--target", "mirror")
    code, out, _ = outcome(capsys, "verify", "generated/rnn_mirror.py")
    assert code == 0 and "rnn_mirror.py module for mirror on cpu" in out and "gaze: 2" in out
    code, out, err = outcome(capsys, "verify", "rnn", "--target", "mirror", "--device", "moon")
    assert (code, out, err) == (4, "", "lstmgen: the moon is far away\n")
    code, _, err = outcome(capsys, "verify", "rnn", "--target", "mirror", "--device", "cuda")
    assert code == 2 and "the target mirror runs on moon or cpu, not on 'cuda'" in err


def test_it_is_explained_and_found_by_the_doctor(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = outcome(capsys, "explain", "rnn", "--target", "mirror")
    assert out.endswith("Reflections of the Mirror module\n  rnn backwards: nnr\n")
    _, out, _ = outcome(capsys, "doctor", "--json")
    found = {f["name"]: f for f in json.loads(out)["findings"]}
    assert found["glass"]["detail"] == "of 1835"
    assert (found["silver"]["found"], found["silver"]["cure"]) == (False, "dig for it")
    assert "what is mirrored" in found["numpy"]["needed_for"]
    assert found["target mirror"]["detail"] == "NumPy, seen in a mirror."
    assert "ZeroDivisionError" in found["luck"]["detail"]


def test_its_files_are_on_the_page(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = outcome(capsys, "report", "rnn", "-o", "rnn.html")
    page = Path("rnn.html").read_text()
    assert code == 0
    assert "<h3>Mirror</h3>" in page and "<h3>Mirror: rnn_mirror.notes</h3>" in page
    assert 'id="mirror-1"' in page and 'id="mirror-2-1"' in page
    notes = page.partition("<h3>Mirror: rnn_mirror.notes</h3>")[2]
    assert '<a href="#eq-1">1</a>' in notes, "labels in comments of another language are linked"


@pytest.mark.parametrize(
    ("entry", "text", "problem"),
    [
        ("bad = no_such_module_here:T", "", "ModuleNotFoundError"),
        ("bad = bad_target:missing", "", "AttributeError"),
        ("bad = bad_target:number", "number = 3\n", "is no lstmgen.targets.Target, but int"),
        ("bad = bad_target:fails", "def fails():\n    1 / 0\n", "ZeroDivisionError"),
        ("bad = bad_target", "raise SystemExit(3)\n", "SystemExit: 3"),
        ("bad = bad_target:Mirror", TARGET, "calls itself mirror"),
        ("bad = bad_target:T", TARGET + "class T(Mirror):\n    render = None\n", "mirror"),
        (
            "bad = bad_target:T",
            "from lstmgen.targets import Target\n"
            "class T(Target):\n    def render(self, cell, options): return ''\n",
            "does not say its name and title and summary",
        ),
    ],
)
def test_a_broken_one_is_reported_and_does_no_harm(
    install: Install, capsys: pytest.CaptureFixture[str], entry: str, text: str, problem: str
) -> None:
    install("bad", entry, text)
    assert "bad" in targets.names()
    with pytest.raises(UnavailableError, match="the target bad of the package bad"):
        targets.get("bad")
    code, out, err = outcome(capsys, "build", "rnn", "--target", "bad")
    assert (code, out) == (4, "") and problem in err and "Traceback" not in err
    code, out, _ = outcome(capsys, "build", "--help")
    assert code == 0 and "Targets that cannot be used" in out
    code, out, _ = outcome(capsys, "doctor")
    assert code == 0 and problem in out
    assert outcome(capsys, "build", "rnn", "--target", "numpy")[0] == 0


def test_two_with_one_name_and_names_that_are_none(install: Install) -> None:
    install("one", "same = one_target:T\nNo-Name = one_target:T\nnumpy = one_target:T")
    install("two", "same = two_target:T")
    found = targets.find()
    assert tuple(found.offers) == tuple(targets.registry.BUILT_IN)
    assert [problem.partition(": ")[2] for problem in found.problems] == [
        "it is no name of small letters, digits and _",
        "numpy is built in",
        "the packages one and two both offer one",
    ]


def test_a_target_need_not_be_installed(install: Install) -> None:
    install("loose", "other = loose_target:Nothing")
    import loose_target  # type: ignore[import-not-found]

    text = lstmgen.render("rnn", loose_target.Mirror())
    assert text.startswith('"""rnn for mirror')


def test_help_and_names_import_nothing_slow() -> None:
    program = (
        "import sys\n"
        "from lstmgen import targets\n"
        "found, problems = targets.available()\n"
        "assert set(found) >= {'numpy', 'cupy'} and not problems\n"
        "assert [t.summary for t in found.values()]\n"
        "heavy = {'sympy', 'numpy', 'mpmath', 'jinja2', 'cupy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_example_of_the_documentation(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    text = document.partition("<!-- file: lstmgen_logged.py -->\n```python\n")[2]
    install("logged", "logged = lstmgen_logged:LoggedTarget")
    Path("lstmgen_logged.py").write_text(text.partition("```\n")[0])
    code, _, err = outcome(capsys, "build", "lstm", "--target", "logged", "--stream", "stdout")
    assert (code, err) == (0, "")
    assert " with --stream stdout.\n" in Path("generated/lstm_logged.py").read_text()
    assert outcome(capsys, "build", "lstm", "--target", "logged", "--check")[0] == 0
    assert lstmgen.verify("rnn", "logged").ok
    assert "forward\n" in capsys.readouterr().err
