"""What a type checker knows of `import lstmgen`: the names and types that there are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import lstmgen

PACKAGE = Path(lstmgen.__file__).parent
USER = """\
from pathlib import Path

import lstmgen
from lstmgen import Cell, Eq, load, sigma, symbols, t, tanh
from lstmgen.targets import Option, Target

h, x, W = symbols("h x W")
mine = Cell("mine", Eq(h[t], sigma(W @ [h[t - 1], x[t]])), Eq(x[t], tanh(x[t])))
reveal_type(mine.latex())
reveal_type(load("lstm"))
reveal_type(load(Path("mine.py")).parameters)
reveal_type(lstmgen.render("lstm", "numpy", recompute="all"))
reveal_type(lstmgen.compile(Path("mine.py"), "numpy"))
reveal_type(lstmgen.verify(mine))
reveal_type(lstmgen.verify("lstm", "cupy", device="cpu").ok)
load(3)
lstmgen.render("lstm")
lstmgen.nothing
"""
EXPECTED = {
    9: 'Revealed type is "str"',
    10: 'Revealed type is "lstmgen.cell.Cell"',
    11: 'Revealed type is "dict[str, tuple[str, ...]]"',
    12: 'Revealed type is "str"',
    13: 'Revealed type is "types.ModuleType"',
    14: 'Revealed type is "lstmgen.verification.report.Report"',
    15: 'Revealed type is "bool"',
    16: 'Argument 1 to "load" has incompatible type "int"',
    17: 'Missing positional argument "target" in call to "render"',
    18: 'Module has no attribute "nothing"',
}


def test_the_stub_has_every_name() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    names = {
        alias.asname
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    names |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    assert names == set(lstmgen.__all__)


def test_a_user_gets_types(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports"),
            *("--follow-imports=silent", "--cache-dir", str(tmp_path / "cache"), "user.py"),
        ],
        cwd=tmp_path,
        env={"MYPYPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(re.findall(r"^user\.py:(\d+): \w+: (.*)$", done.stdout, re.MULTILINE))
    assert {int(line) for line in found} == set(EXPECTED), done.stdout + done.stderr
    for line, text in EXPECTED.items():
        assert re.sub(r"builtins\.|def ", "", found[str(line)]).startswith(text)
