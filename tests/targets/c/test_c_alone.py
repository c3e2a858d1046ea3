"""C programs without Python: the example, its weights, and what is left out of a build."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen.cli.root import main
from lstmgen.targets.c import compiler
from tests.targets.c.many import LEAN, module_of

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "stream_gru.c"
STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
needs_compiler = pytest.mark.skipif(
    compiler.command() is None, reason="no C compiler; " + compiler.CURE
)


def prepared(folder: Path) -> Path:
    """The folder with all that the example is compiled from."""
    module = lstmgen.compile("gru", "numpy")
    np.savez(folder / "params.npz", **module.init_params(8, 16, seed=3))
    shutil.copy(EXAMPLE, folder)
    assert main(["build", "gru", "--target", "c", "--only", "step", "-o", str(folder)]) == 0
    written = ["weights", str(folder / "params.npz"), "-o", str(folder / "weights.h")]
    assert main(written) == 0
    return folder


def built(folder: Path, command: list[str]) -> Path:
    """The example as a program."""
    program = folder / "stream_gru"
    subprocess.run(
        [*command, *STRICT, EXAMPLE.name, "-o", str(program), "-lm"], cwd=folder, check=True
    )
    return program


def expected_output(folder: Path, printed: str) -> None:
    """What NumPy computes from the same frames."""
    module = lstmgen.compile("gru", "numpy")
    with np.load(folder / "params.npz") as params:
        t = np.arange(800, dtype="f4").reshape(100, 1, 8) / np.float32(800)
        y = module.forward(dict(params), np.sin(100 * t * (1 + t)))[0]
    found = np.array([line.split() for line in printed.splitlines()], float)
    np.testing.assert_allclose(found, y[:, 0], rtol=1e-4, atol=1e-5)


@needs_compiler
def test_the_example_streams_what_numpy_computes(tmp_path: Path) -> None:
    command = compiler.command()
    assert command is not None
    folder = prepared(tmp_path)
    program = built(folder, command)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    expected_output(folder, done.stdout)
    source = "\n".join(p.read_text() for p in (folder / "gru_c.c", EXAMPLE))
    assert not any(f"{name}(" in source for name in ("malloc", "calloc", "realloc", "alloca"))


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@pytest.mark.parametrize(
    ("only", "functions"),
    [
        ("step", {"step", "step_bytes"}),
        ("forward", {"step", "step_bytes", "forward", "forward_bytes"}),
        (
            "all",
            {"step", "step_bytes", "forward", "forward_bytes", "backward", "backward_bytes"}
            | {"tape_bytes"},
        ),
    ],
)
def test_only_leaves_the_rest_out(tmp_path: Path, only: str, functions: set[str]) -> None:
    command = compiler.command()
    assert command is not None
    assert main(["build", "gru", "--target", "c", "--only", only, "-o", str(tmp_path)]) == 0
    flags = ["-std=c11", "-O0", "-DTILE_ROWS=1", "-Wall", "-Wextra", "-Werror", "-c", "gru_c.c"]
    subprocess.run([*command, *flags], cwd=tmp_path, check=True)
    found = subprocess.run(
        ["nm", "-g", "gru_c.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    defined = {line.split()[-1] for line in found if " T " in line}
    assert defined == {f"gru_f32_{name}" for name in functions}
    taken = {line.split()[-1] for line in found if " U " in line}
    assert taken <= {"memcpy", "memset", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_", "pow", "powf"}
    assert main(["build", "gru", "--target", "c", "--check", "-o", str(tmp_path)]) == 0


@needs_compiler
def test_modules_without_backward_compute_what_they_have() -> None:
    whole, forward, step = (module_of("gru", *LEAN, only=o) for o in ("all", "forward", "step"))
    params = whole.init_params(3, 5, seed=0)
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype("f4")
    y, state, _ = whole.forward(params, x, lengths=[4, 2])
    found, last, tape = forward.forward(params, x, lengths=[4, 2])
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(last["h"], state["h"])
    assert tape is None and not hasattr(forward, "backward") and not hasattr(step, "forward")
    with pytest.raises(ValueError, match="without backward"):
        forward.forward(params, x, tape=True)
    state = step.init_state(2, 5)
    for x_t in x[:2]:
        state = step.step(params, x_t, state)
    np.testing.assert_allclose(state["h"], y[1], rtol=1e-5, atol=1e-6)


def test_recompute_goes_with_backward_only(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--target", "c", "--only", "step", "--recompute", "all"]
    assert main(["build", "gru", *options]) == 2
    assert "--only step has no backward pass" in capsys.readouterr().err


@pytest.mark.parametrize("instructions", ["native", "portable", "avx2", "avx512"])
def test_instructions_are_flags_of_the_compiler(instructions: str) -> None:
    flags = lstmgen.compile("rnn", "c", instructions=instructions)._FLAGS
    marches = [flag for flag in flags if flag.startswith("-march")]
    wanted = {"native": "-march=native", "avx2": "-march=x86-64-v3", "avx512": "-march=x86-64-v4"}
    assert marches == [flag for name, flag in wanted.items() if name == instructions]


# lstmgen weights


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_written_to_the_last_digit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    values = np.array([[0.1, -1e-30, 3.0], [1 / 3, 0.0, -7e20]], dtype)
    np.savez(tmp_path / "p.npz", W=values, a=np.array(0.5, dtype))
    assert main(["weights", str(tmp_path / "p.npz")]) == 0
    text = capsys.readouterr().out
    kind = {"float32": "float", "float64": "double"}[dtype]
    assert f"static const {kind} weights_a[1] = {{" in text and "// W: (2, 3)" in text
    block = text.partition("weights_W[6] = {")[2].partition("};")[0]
    found = [float.fromhex(number.strip().rstrip("f")) for number in block.split(",")[:-1]]
    np.testing.assert_array_equal(np.array(found, dtype), values.ravel())


def bad(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "bad.npz", **arrays)
    return folder / "bad.npz"


MISTAKES = {
    "no file": (lambda f: f / "none.npz", "none.npz cannot be read: No such file"),
    "a folder": (lambda f: f, "is a directory"),
    "no archive": (lambda f: f / "text.npz", "text.npz is no file that numpy.savez"),
    "one array": (lambda f: f / "one.npy", "one.npy holds one array"),
    "whole numbers": (
        lambda f: bad(f, W=np.ones(2, int)),
        "W: expected float32 or float64, got int",
    ),
    "objects": (lambda f: bad(f, W=np.array([{}])), "numpy.savez"),
    "two dtypes": (
        lambda f: bad(f, W=np.ones(2), b=np.ones(2, "f4")),
        "expected one dtype for all parameters, got float32, float64",
    ),
    "an infinity": (lambda f: bad(f, W=np.array([1, np.inf])), "W: expected finite numbers"),
    "nothing in it": (lambda f: bad(f), "no parameters"),
    "an empty array": (
        lambda f: bad(f, W=np.ones((0, 3))),
        "W: expected numbers, got the shape (0, 3)",
    ),
    "a name with a dot": (lambda f: bad(f, **{"W.f": np.ones(2)}), "'W.f': a name of letters"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_are_no_weights_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "one.npy", np.ones(3))
    given, message = MISTAKES[mistake]
    assert main(["weights", str(given(tmp_path)), "-o", str(tmp_path / "w.h")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w.h").exists()


def test_a_file_that_lstmgen_did_not_write_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "p.npz", W=np.ones(2))
    mine = tmp_path / "weights.h"
    mine.write_text("mine\n")
    command = ["weights", str(tmp_path / "p.npz"), "-o", str(mine)]
    assert main(command) == 2 and mine.read_text() == "mine\n"
    assert main([*command, "--force"]) == 0 and "weights_W[2]" in mine.read_text()
    assert main(command) == 0  # it is lstmgen's now
    assert "unchanged" in capsys.readouterr().out
