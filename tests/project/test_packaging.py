"""What an installation carries: from a wheel, from an sdist's wheel, and in place.

Nothing is fetched: hatchling and `build` are in the extra `test`, and the packages that lstmgen
needs are those of the environment that runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import lstmgen
from lstmgen.errors import UnavailableError
from lstmgen.templates_folder import template_folder

ROOT = Path(__file__).parents[2]
PROBE = """
import sys
from pathlib import Path
import lstmgen
from lstmgen.library.loading import load, names
from lstmgen.templates_folder import template_folder
print(Path(lstmgen.__file__).parent)
print(template_folder())
print(*sorted(p.relative_to(template_folder()).as_posix() for p in template_folder().rglob("*.j2")))
print(*names())
print(len(lstmgen.render(load("rnn"), "numpy")) > 0)
"""


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """What a command prints; the test shows all of it where it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel built from the tree, an sdist, and a wheel built from the unpacked sdist."""
    base = tmp_path_factory.mktemp("distributions")
    build = [sys.executable, "-m", "build", "--no-isolation"]
    run([*build, "--wheel", "--outdir", base / "wheel", ROOT], base)
    run([*build, "--sdist", "--outdir", base / "sdist", ROOT], base)
    (sdist,) = (base / "sdist").iterdir()
    with tarfile.open(sdist) as archive:
        # Python 3.11.4 and later can be told to trust nothing in it.  It is ours.
        trusting = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(base / "unpacked", **trusting)
    (unpacked,) = (base / "unpacked").iterdir()
    run([*build, "--wheel", "--outdir", base / "from_sdist", unpacked], base)
    (wheel,) = (base / "wheel").iterdir()
    (from_sdist,) = (base / "from_sdist").iterdir()
    return {"wheel": wheel, "sdist": sdist, "from sdist": from_sdist}


def environment(folder: Path) -> Path:
    """A fresh environment that sees the packages of this one, after its own; its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inner = Path(run([python, "-c", ask], folder).strip())
    # Read last, so that what is installed here, in place too, comes before.
    (inner / "zz_outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install(python: Path, *what: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*pip, "--no-deps", "--no-build-isolation", "--ignore-installed", *what], python.parent)


def probe(python: Path, cwd: Path) -> tuple[Path, Path, list[str], list[str]]:
    """Where the package and its templates are, the templates, and the cells."""
    package, templates, files, cells, rendered = run([python, "-c", PROBE], cwd).splitlines()
    assert rendered == "True"
    return Path(package), Path(templates), files.split(), cells.split()


def repository_templates() -> list[str]:
    folder = ROOT / "templates"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.j2"))


@pytest.mark.parametrize("kind", ["wheel", "from sdist"])
def test_a_wheel_has_templates_cells_and_command(
    kind: str, distributions: dict[str, Path], tmp_path: Path
) -> None:
    python = environment(tmp_path / "env")
    install(python, distributions[kind])
    package, templates, files, cells = probe(python, tmp_path)
    assert package.is_relative_to(tmp_path)
    assert templates == package / "templates"
    assert files == repository_templates() != []
    assert "peephole" in cells
    command = python.with_name("lstmgen")
    assert run([command, "--version"], tmp_path).strip().endswith(lstmgen.__version__)
    run([command, "build", "rnn", "--target", "numpy"], tmp_path)
    assert (tmp_path / "generated" / "rnn_numpy.py").is_file()
    assert (package / "py.typed").is_file()


def test_an_editable_install_uses_the_repository(tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    install(python, "--editable", ROOT)
    package, templates, files, _ = probe(python, tmp_path)
    assert package == ROOT / "lstmgen"
    assert templates == ROOT / "templates", "an edited template takes effect at once"
    assert files == repository_templates() != []


def test_both_wheels_are_the_same(distributions: dict[str, Path]) -> None:
    def content(wheel: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    assert content(distributions["wheel"]) == content(distributions["from sdist"])


def test_the_wheel_holds_the_package_and_nothing_else(distributions: dict[str, Path]) -> None:
    with zipfile.ZipFile(distributions["wheel"]) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"lstmgen"}
    assert not [n for n in names if "__pycache__" in n or n.endswith(".pyc")]
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)


def test_the_sdist_carries_tests_and_generated_modules(distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "tests/project/test_packaging.py"} <= names
    assert not [n for n in names if n.startswith((".venv", ".git/"))]


def test_templates_that_are_nowhere_are_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "somebody_else.j2").touch()
    monkeypatch.setattr("lstmgen.templates_folder.__file__", str(tmp_path / "lstmgen" / "a.py"))
    with pytest.raises(UnavailableError, match="install it again"):
        template_folder()


def test_the_changelog_and_the_metadata_name_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"## {lstmgen.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert project["scripts"] == {"lstmgen": "lstmgen.cli.root:main"}
    assert {"cuda12", "cuda13", "cuda-check", "test", "lint", "torch"} <= set(
        project["optional-dependencies"]
    )
