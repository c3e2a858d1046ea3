"""The command line: what it prints where, its exit codes, and what it imports to do so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

import lstmgen
from lstmgen.cli.root import main
from lstmgen.library.loading import load, names
from lstmgen.targets.building import KEPT

MINE = """\
\"\"\"A leaky unit.\"\"\"
from lstmgen import Cell, Eq, scalars, symbols, t, tanh

h, x, W, b = symbols("h x W b")
a = scalars("a")
leaky = Cell("leaky", Eq(h[t], a * h[t-1] + (1 - a) * tanh(W @ [h[t-1], x[t]] + b)))
"""
REFUSED = MINE.replace("tanh(W @ [h[t-1], x[t]] + b)", "tanh(g[t])")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with two cell files."""
    (tmp_path / "leaky.py").write_text(MINE)
    (tmp_path / "refused.py").write_text(REFUSED + "Cell('r', Eq(h[t], h[t-2]))\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def command(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lstmgen", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


# Help ------------------------------------------------------------------------------------------

COMMANDS = (
    "list show latex explain diff build verify weights doctor jacobian flow draw report".split()
)


@pytest.mark.parametrize("arguments", [[], ["--version"], *([c] for c in COMMANDS)])
def test_help_imports_neither_sympy_nor_numpy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from lstmgen.cli.root import main\n"
        f"assert main({[*arguments, '--help']!r}) == 0\n"
        "heavy = {'sympy', 'numpy', 'mpmath', 'jinja2', 'cupy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "--help")
    assert (code, err) == (0, "")
    assert re.findall(r"^  (\w+) ", out.partition("Commands:")[2], re.MULTILINE) == COMMANDS


def test_list_does_not_import_sympy() -> None:
    program = (
        "import sys\n"
        "from lstmgen.cli.root import main\n"
        "assert main(['list']) == 0\n"
        "assert 'sympy' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_building_imports_no_array_library(here: Path) -> None:
    program = (
        "import sys\n"
        "from lstmgen.cli.root import main\n"
        "assert main(['build', 'peephole', '--target', 'numpy', '--no-verify']) == 0\n"
        "heavy = {'numpy', 'cupy', 'lstmgen.verification'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_module_and_the_script_are_the_same_command() -> None:
    process = command("--version")
    out, err = process.communicate()
    assert (out, err) == (f"lstmgen, version {lstmgen.__version__}\n", "")
    assert process.returncode == 0


# Commands --------------------------------------------------------------------------------------


def test_list_has_a_line_for_each_cell(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "list")
    assert (code, err) == (0, "")
    cells = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert sorted(words[0] for words in cells) == list(names())
    assert all(len(words) > 4 for words in cells)
    families = [line for line in out.splitlines() if not line.startswith("  ")]
    assert families == ["RNN", "LSTM", "GRU", "Parallel", "Differential"]
    lstm = next(line for line in out.splitlines() if line.split()[0] == "lstm")
    assert re.fullmatch(r"  lstm +Gers et al\. 2000 +Long short-term memory .*", lstm)


def test_a_cell_that_cannot_be_described_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmgen.library import catalogue

    entry = catalogue.entry

    def broken(name: str) -> catalogue.Entry:
        if name == "gru":
            raise KeyError("Year")
        return entry(name)

    monkeypatch.setattr(catalogue, "entry", broken)
    code, out, err = outcome(capsys, "list")
    assert code == 0
    assert "the built-in cell gru is not described as it should be: KeyError: 'Year'" in err
    assert sum(line.startswith("  ") for line in out.splitlines()) == len(names()) - 1


def test_show_prints_equations_shapes_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "show", "peephole")
    assert (code, err) == (0, "")
    for wanted in (
        "(1) f[t] = sigma(W_f @ [C[t-1], h[t-1], x[t]] + b_f)",
        "(4) C[t] = f[t]*C[t-1] + i[t]*C_tilde[t]",
        "W_f  (H, H+H+D)",
        "b_o  (H)",
        "D  input size: x",
        "Recurrent Nets that Time and Count",
    ):
        assert wanted in out
    states = out.partition("States\n")[2].partition("\n\n")[0].split()
    assert states == ["h", "(H)", "C", "(H)"]


def test_data_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    def data(*arguments: str) -> dict[str, Any]:
        code, out, err = outcome(capsys, *arguments, "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["schema"] == 1
        return found

    cells = data("list")["cells"]
    assert [c["name"] for c in sorted(cells, key=lambda c: c["name"])] == list(names())
    assert cells[0].keys() == {"name", "family", "paper", "summary"}
    shown = data("show", "peephole")
    assert shown["parameters"]["W_f"] == ["H", "H+H+D"]
    fourth = {"label": "4", "equation": "C[t] = f[t]*C[t-1] + i[t]*C_tilde[t]"}
    assert shown["equations"][3] == fourth
    assert shown["states"] == {"h": ["H"], "C": ["H"]} and shown["sizes"]["D"] == "input size: x"
    explained = data("explain", "rnn", "--target", "numpy")
    assert explained["target"] == "numpy" and explained["costs"][0]["part"] == "forward"
    text = outcome(capsys, "explain", "rnn", "--target", "numpy")[1]
    titles = [section["title"] for section in explained["sections"]]
    assert titles == re.findall(r"^(\S.*)$", text, re.MULTILINE)
    assert data("explain", "rnn")["target"] is None
    differs = data("diff", "lstm", "coupled")
    assert differs["same"] is False and differs["sections"][1]["title"] == "Equations"
    assert differs["sections"][1]["same"] == ["f", "C_tilde", "o", "h"]
    assert data("diff", "lstm", "lstm")["same"] is True


def test_show_reads_a_file(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, _ = outcome(capsys, "show", "leaky.py")
    assert code == 0
    assert "a  () a scalar" in out
    assert "A leaky unit." in out


def test_show_has_declared_sizes(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    Path("projected.py").write_text(
        "from lstmgen import Cell, Eq, symbols, t, tanh\n"
        "h, r, x, W, P = symbols('h r x W P')\n"
        "cell = Cell('projected', Eq(h[t], tanh(W @ [r[t-1], x[t]])), Eq(r[t], P @ h[t]),"
        " output='r', sizes={r: 'K'})\n"
    )
    code, out, _ = outcome(capsys, "show", "projected.py")
    assert code == 0
    assert "K  declared size: r" in out
    assert "P  (K, H)" in out


def test_latex_is_that_of_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "latex", "peephole")
    assert (code, err) == (0, "")
    assert out == load("peephole").latex().rstrip("\n") + "\n"
    assert r"\tag{1}" in out
    assert r"\tag{$\delta$1}" in out


def test_parts_of_the_latex(capsys: pytest.CaptureFixture[str]) -> None:
    _, forward, _ = outcome(capsys, "latex", "peephole", "--forward")
    _, gradients, _ = outcome(capsys, "latex", "peephole", "--gradients")
    assert r"\tag{1}" in forward
    assert r"\delta" not in forward
    assert r"\tag{1}" not in gradients
    assert r"\tag{$\delta$1}" in gradients


def test_standalone_latex_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = outcome(capsys, "latex", "rnn", "--standalone")
    assert out.startswith(r"\documentclass")
    assert out.endswith("\\end{document}\n")


def test_explain_has_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "explain", "gru")
    assert (code, err) == (0, "")
    cell = load("gru")
    printed = [line.strip() for line in out.splitlines()]
    for stage in (cell.normal_form, cell.gradients, cell.schedule):
        for line in str(stage).splitlines():
            assert line.strip() in printed


def test_explain_counts_the_launches_of_the_cupy_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = outcome(capsys, "explain", "peephole", "--target", "cupy")
    printed = out.partition("Launches of the CuPy module\n")[2]
    wanted = re.search(
        r"forward, each step: (\d+) launches, (\d+) kernels? and (\d+) product", printed
    )
    assert wanted is not None
    # As many as there are calls in the body of the module's time loop.
    source = lstmgen.render(load("peephole"), "cupy")
    loop = re.search(r" in views:\n((?: {12}[^\n]*\n)+)", source, re.MULTILINE)
    assert loop is not None
    kernels = len(re.findall(r"^ {12}forward_\w+\(", loop[1], re.MULTILINE))
    products = len(re.findall(r"^ {12}gemm\(", loop[1], re.MULTILINE))
    assert [int(n) for n in wanted.groups()] == [kernels + products, kernels, products]
    assert "kernel forward_h " in printed
    assert "backward, each step:" in printed
    _, plain, _ = outcome(capsys, "explain", "peephole")
    assert "Launches" not in plain


def test_build_writes_what_render_gives(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, err = outcome(capsys, "build", "rnn", "leaky.py", "--target", "numpy")
    assert (code, err) == (0, "")
    assert out == "generated/rnn_numpy.py: written\ngenerated/leaky_numpy.py: written\n"
    assert Path("generated/rnn_numpy.py").read_text() == lstmgen.render(load("rnn"), "numpy")
    assert Path("generated/leaky_numpy.py").read_text() == lstmgen.render(load("leaky.py"), "numpy")
    _, out, _ = outcome(capsys, "build", "rnn", "--target", "numpy", "--target", "cupy", "-o", "o")
    assert out == "o/rnn_numpy.py: written\no/rnn_cupy.py: written\n"
    _, out, _ = outcome(capsys, "build", "rnn", "--target", "numpy")
    assert out == "generated/rnn_numpy.py: unchanged\n"


def test_build_does_not_touch_the_file_of_somebody_else(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    Path("rnn_numpy.py").write_text("mine = 1\n")
    code, out, err = outcome(capsys, "build", "rnn", "--target", "numpy", "-o", ".")
    assert (code, out) == (2, "")
    assert "was not written by lstmgen" in err
    assert Path("rnn_numpy.py").read_text() == "mine = 1\n"
    code, out, _ = outcome(capsys, "build", "rnn", "--target", "numpy", "-o", ".", "--force")
    assert (code, out) == (0, "rnn_numpy.py: updated\n")


def test_a_mistake_in_one_cell_leaves_the_others_unwritten(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    code, _, _ = outcome(capsys, "build", "rnn", "refused.py", "--target", "numpy")
    assert code == 3
    assert not Path("generated").exists()


def test_check_tells_a_difference(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    arguments = ("build", "rnn", "--target", "numpy", "--check")
    code, out, err = outcome(capsys, *arguments)
    assert (code, out) == (1, "")
    assert "generated/rnn_numpy.py is missing" in err
    outcome(capsys, "build", "rnn", "--target", "numpy")
    assert outcome(capsys, *arguments)[:2] == (0, "")
    path = Path("generated/rnn_numpy.py")
    path.write_text(path.read_text() + "# edited\n")
    code, out, err = outcome(capsys, *arguments)
    assert (code, out) == (1, "")
    assert "-# edited" in err


def test_check_without_a_cell_wants_every_module(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    outcome(capsys, "build", *KEPT, "--target", "numpy", "--target", "cupy", "--target", "c")
    code, _, err = outcome(capsys, "build", "--check")
    count = len([*Path("generated").iterdir()])  # one file a module, and two for c
    assert count == 4 * len(KEPT)
    assert (code, err) == (0, f"lstmgen: {count} modules are up to date\n")
    Path("generated/gru_cupy.py").unlink()
    code, _, err = outcome(capsys, "build", "--check")
    assert code == 1
    assert "generated/gru_cupy.py is missing" in err
    assert outcome(capsys, "build", "--check", "--target", "numpy")[0] == 0


def test_doctor_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    code, out, err = outcome(capsys, "doctor")
    assert (code, err) == (0, "")
    assert lstmgen.__version__ in out
    compiler = out.partition("C++ compiler")[2].partition("NVRTC")[0]
    assert "not found" in compiler
    assert "needed for:" in compiler
    assert "to get it: apt install g++" in compiler
    code, out, _ = outcome(capsys, "doctor", "--json")
    data = json.loads(out)
    assert (code, data["schema"]) == (0, 1)
    found = {f["name"]: f for f in data["findings"]}
    assert found["sympy"]["found"]
    assert not found["pdflatex"]["found"]
    assert set(found) >= {"python", "numpy", "cupy", "CUDA device", "NVRTC", "C++ compiler"}
    assert found["CUDA device"]["found"] or found["CUDA device"]["detail"].startswith("not found: ")


def test_doctor_says_when_cupy_lacks_the_libraries_of_cuda(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As CuPy's wheels are without the extra ctk: it imports, and its cublas does not."""
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text("")
    (tmp_path / "cupy" / "cublas.py").write_text(
        "raise ImportError('libcublasLt.so.13: cannot open shared object file')"
    )
    information = tmp_path / "cupy_cuda13x-14.2.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: cupy-cuda13x\nVersion: 14.2.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] == "cupy"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("cupy", "cupy.cublas"):  # what is imported now goes with the test
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
    code, out, _ = outcome(capsys, "doctor")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("cupy "))
    assert "cupy-cuda13x 14.2.0 is installed but cannot be used: libcublasLt.so.13" in line
    module = tmp_path / "rnn_cupy.py"
    module.write_text(lstmgen.render(lstmgen.load("rnn"), "cupy"))
    for arguments in (["rnn", "--target", "cupy"], [str(module)]):
        code, out, err = outcome(capsys, "verify", *arguments, "--device", "cuda")
        assert (code, out) == (4, "")
        assert "without the libraries of CUDA that it needs (libcublasLt.so.13" in err


# Verification ----------------------------------------------------------------------------------


def test_verify_passes_and_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "verify", "rnn")
    assert (code, err) == (0, "")
    assert "checks passed" in out
    assert "(δ1)" in out


@pytest.mark.parametrize("statement", ["sys.exit(0)", "raise SystemExit", "os._exit(0)"])
@pytest.mark.parametrize("place", ["import", "forward", "init_params"])
def test_verify_never_succeeds_without_a_comparison(
    capsys: pytest.CaptureFixture[str], here: Path, statement: str, place: str
) -> None:
    outcome(capsys, "build", "rnn", "--target", "numpy")
    path = Path("generated/rnn_numpy.py")
    text = path.read_text()
    if place == "import":
        text += f"import os, sys\n{statement}\n"
    else:
        text += f"import os, sys\ndef {place}(*_, **__):\n    {statement}\n"
    path.write_text(text)
    code, out, err = outcome(capsys, "verify", str(path))
    assert code == 1
    assert "exits (" in err if place == "import" else "SystemExit" in out


def test_verify_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "verify", "rnn", "--json")
    data = json.loads(out)
    assert code == 0
    assert (data["cell"], data["target"], data["ok"]) == ("rnn", "numpy", True)
    assert data["schema"] >= 1
    assert len(data["checks"]) > 10


def test_verify_reads_the_file_as_it_is_on_disk(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    outcome(capsys, "build", "rnn", "--target", "numpy")
    path = Path("generated/rnn_numpy.py")
    assert outcome(capsys, "verify", str(path))[0] == 0
    source = path.read_text()
    edited = re.sub(r"np\.tanh\(", "np.sin(", source)
    assert edited != source
    path.write_text(edited)
    code, out, err = outcome(capsys, "verify", str(path))
    assert code == 1
    failing = [line for line in (out + err).splitlines() if "FAILED" in line]
    assert any("(1)" in line for line in failing)


def test_verify_a_cell_of_ones_own(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert outcome(capsys, "verify", "leaky.py")[0] == 0
    outcome(capsys, "build", "leaky.py", "--target", "numpy")
    module = "generated/leaky_numpy.py"
    assert outcome(capsys, "verify", module, "--cell", "leaky.py")[0] == 0
    code, _, err = outcome(capsys, "verify", module)
    assert code == 2
    assert "give the file that declares it" in err


def test_verify_where_there_is_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    from lstmgen.cli.doctor import examine

    here = {f.name: f.found for f in examine()}
    if here["cupy"] and here["CUDA device"]:
        pytest.skip("a GPU is here")
    code, out, err = outcome(capsys, "verify", "rnn", "--target", "cupy", "--device", "cuda")
    assert (code, out) == (4, "")
    assert err.startswith("lstmgen: ")


# Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "lsmt"], 2, "did you mean lstm?"),
        (["show", "nothing.py"], 2, "there is no file nothing.py"),
        (["show"], 2, "Missing argument 'CELL'"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["show", "rnn", "--colour"], 2, "No such option"),
        (["build", "rnn"], 2, "--target numpy or --target cupy"),
        (["build", "--target", "numpy"], 2, "build needs a CELL"),
        (["build", "rnn", "--target", "cobol"], 2, "'cobol' is not one of 'numpy', 'cupy', 'c'"),
        (["show", "refused.py"], 3, "refused.py:"),
    ],
)
def test_an_error_is_one_clear_message(
    capsys: pytest.CaptureFixture[str], here: Path, arguments: list[str], code: int, message: str
) -> None:
    found, out, err = outcome(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lstmgen: ")
    assert message in err
    assert "Traceback" not in err


def test_no_command_prints_the_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: lstmgen ")


def test_what_a_cell_file_prints_is_no_data(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    Path("loud.py").write_text(MINE + "print('hello')\n")
    _, quiet, _ = outcome(capsys, "latex", "leaky.py")
    code, out, err = outcome(capsys, "latex", "loud.py")
    assert (code, out, err) == (0, quiet, "hello\n")


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    process = command("show", "peephole")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_a_message() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "lstmgen: the output cannot be written: No space left on device\n"


@pytest.mark.filterwarnings("ignore:.*fork")  # Python's and JAX's, if other tests have threads
def test_control_c_ends_it_without_a_traceback(here: Path) -> None:
    Path("slow.py").write_text(
        "from pathlib import Path\nimport time\nPath('started').touch()\ntime.sleep(60)\n"
    )
    # A shell starts what runs in the background with this signal ignored, and so the tests' too.
    process = command("show", "slow.py", preexec_fn=default_interrupt)
    for _ in range(600):
        if Path("started").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "lstmgen: interrupted")


def default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_names_complete_in_the_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lstmgen"],
        env={
            **os.environ,
            "_LSTMGEN_COMPLETE": "bash_complete",
            "COMP_WORDS": "lstmgen show peep",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [f"plain,{name}" for name in names() if name.startswith("peep")]
    assert "plain,peephole" in done.stdout.split()


def test_explain_shows_the_layout_and_the_calls_of_the_numpy_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = outcome(capsys, "explain", "lstm", "--target", "numpy")
    text = lstmgen.render(lstmgen.load("lstm"), "numpy")
    calls = out.partition("\nCalls of the NumPy module\n")[2]
    # One product a step, and as many calls as the loop of the module has lines.
    steps = re.findall(r"^  (forward|backward), each step: (\d+)$", calls, re.MULTILINE)
    assert [name for name, _ in steps] == ["forward", "backward"]
    assert [int(count) for _, count in steps] == [12, 7]
    lines = re.findall(r"^    (\w+\(.*?)  \(", calls, re.MULTILINE)
    assert lines and all(line in text for line in lines)
    assert "  f_i_o: f :H, i H:2 * H, o 2 * H:\n" in out


# What use showed --------------------------------------------------------------------------------


def test_latex_with_both_flags_gives_both(capsys: pytest.CaptureFixture[str]) -> None:
    _, whole, _ = outcome(capsys, "latex", "rnn")
    _, both, _ = outcome(capsys, "latex", "rnn", "--forward", "--gradients")
    assert both == whole and r"\delta" in both and r"h_t &= \tanh" in both


def test_two_cells_for_one_file_are_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    Path("a-b.txt").write_text("h_t = tanh(W x_t + U h_{t-1})")
    Path("a_b.txt").write_text("h_t = sigma(W x_t + U h_{t-1})")
    code, out, err = outcome(capsys, "build", "a-b.txt", "a_b.txt", "--target", "numpy")
    assert (code, out) == (2, "")
    assert err.startswith("lstmgen: a-b.txt and a_b.txt would both be written to generated")
    assert not Path("generated").exists()
    assert outcome(capsys, "build", "a-b.txt", "a-b.txt", "--target", "numpy")[0] == 0


def test_an_equation_that_does_nothing_is_worth_a_warning(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    Path("idle.txt").write_text(
        "# lstmgen: h output\n"
        "r_t = sigma(V x_t)\ns_t = r_t * r_t\nz_t = sigma(R x_t)\nh_t = tanh(z_t + U h_{t-1})"
    )
    code, out, err = outcome(capsys, "show", "idle.txt")
    assert code == 0 and "warning" not in out
    assert [line.partition(": nothing")[0] for line in err.splitlines()] == [
        "lstmgen: warning: equation (1), r[t] = sigma(V @ [x[t]])",
        "lstmgen: warning: equation (2), s[t] = r[t]*r[t]",
    ]
    assert outcome(capsys, "show", "lstm")[2] == ""


def test_a_text_is_shown_with_reasons_told_about_and_asked_about_strictly(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    Path("net.md").write_text("$$ h_t = \\mathrm{LeakyReLU}(W x_t + U h_{t-1}) $$\n")
    code, out, err = outcome(capsys, "show", "net.md")
    assert code == 0
    assert "line 1: W is W, matrix (H, D): it is a capital letter before the vector" in out
    assert "Written out\n  # lstmgen: W matrix" in out
    assert err.startswith("lstmgen: line 1: \\mathrm{LeakyReLU}") and "slope = 0.01" in err
    code, out, err = outcome(capsys, "show", "--strict", "net.md")
    assert code == 3 and not out
    assert "net.md:1:29: W is taken for a matrix" in err and "% lstmgen: W matrix" in err


def test_a_module_of_a_cell_of_ones_own_is_not_counted_by_check(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    for name in ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after"):
        assert main(["build", name, "--target", "numpy", "--no-verify"]) == 0
    assert main(["build", "leaky.py", "--target", "numpy"]) == 0
    capsys.readouterr()
    code, _, err = outcome(capsys, "build", "--check", "--target", "numpy")
    assert code == 0
    assert "leaky_numpy.py: not compared, leaky is not a built-in cell; check it with" in err
    assert err.endswith("lstmgen: 6 modules are up to date\n")


def test_doctor_names_every_package_that_lstmgen_needs_or_can_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["draw"]]
    _, out, _ = outcome(capsys, "doctor", "--json")
    found = {finding["name"].lower() for finding in json.loads(out)["findings"]}
    assert {re.split("[<>=]", name)[0] for name in needed} <= found
