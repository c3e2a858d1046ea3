"""What .ci/steps.py decides: which commands it takes from the README, and when it fails."""

from __future__ import annotations

import re
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ci() -> ModuleType:
    loader = SourceFileLoader("ci_steps", str(ROOT / ".ci" / "steps.py"))
    spec = spec_from_loader("ci_steps", loader)
    assert spec is not None
    module = module_from_spec(spec)
    # Not loader.exec_module, which would leave bytecode beside the script.
    exec(compile((ROOT / ".ci" / "steps.py").read_text(), ".ci/steps.py", "exec"), module.__dict__)
    return module


def test_the_set_up_commands_come_from_the_readme(ci: ModuleType) -> None:
    assert "lstmgen verify peephole" in ci.setup_command(ROOT, "use")
    assert ci.setup_command(ROOT, "test").endswith("&& pytest")
    with pytest.raises(LookupError, match="no block marked <!-- setup: other -->"):
        ci.setup_command(ROOT, "other")


def test_the_summary_is_the_last_line_of_pytest(ci: ModuleType) -> None:
    lines = ["1 passed in no time", "=== 12 passed, 1 skipped in 3.40s ===", "goodbye"]
    assert ci.pytest_summary(lines) == "12 passed, 1 skipped in 3.40s"
    with pytest.raises(LookupError, match="without a summary"):
        ci.pytest_summary(["nothing"])


def test_a_step_that_fails_stops_the_run(ci: ModuleType, tmp_path: Path) -> None:
    assert ci.step("sh", "-c", "echo one; echo two >&2", cwd=tmp_path) == ["one", "two"]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ci.step("sh", "-c", "exit 7", cwd=tmp_path)
    assert caught.value.returncode == 7


def test_every_dependency_has_a_lowest_version_that_ci_installs(
    ci: ModuleType, tmp_path: Path
) -> None:
    found = ci.lowest_versions(ROOT)
    assert found["click"] == "8.2"  # 8.1 has no NoArgsIsHelpError
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["click>=8.2,<9", "numpy"]\n')
    with pytest.raises(LookupError, match="'numpy' has no lowest version"):
        ci.lowest_versions(tmp_path)
    project.write_text('[project]\ndependencies = ["Click>=8.2,<9"]\n')
    assert ci.lowest_versions(tmp_path) == {"click": "8.2"}


def test_a_version_that_is_not_the_lowest_fails(
    ci: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "pyproject.toml").write_text('[project]\ndependencies = ["click>=8.2"]\n')
    monkeypatch.setattr(ci, "step", lambda *command, cwd: [])
    monkeypatch.setattr(ci, "unchanged", lambda clone: None)
    for version, right in (("8.2", True), ("8.2.0", True), ("8.2.1", False), ("8.20", False)):
        listed = f'[{{"name": "Click", "version": "{version}"}}]'
        monkeypatch.setattr(ci, "output", lambda *command, cwd, listed=listed: listed)
        if right:
            ci.with_lowest_versions(clone, "true")
        else:
            with pytest.raises(LookupError, match=rf"click 8\.2 was .* {re.escape(version)} is"):
                ci.with_lowest_versions(clone, "true")
    assert (tmp_path / "lowest.txt").read_text() == "click==8.2\n"


REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_fine" file="tests/a.py" />
<testcase classname="tests.b" name="test_gpu" file="tests/b.py">
<skipped message="CuPy is not installed (lstmgen[cuda12])">conftest.py:1</skipped></testcase>
{more}</testsuite></testsuites>"""
SKIPPED = """<testcase classname="" name="tests.c" file="tests/c.py">
<skipped message="collection skipped">('c.py', 3, 'PyTorch is not here')</skipped></testcase>"""


def test_what_was_skipped_for_want_of_a_package_runs_where_it_is(
    ci: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(more=""))
    assert ci.skipped_files(report) == []
    report.write_text(REPORT.format(more=SKIPPED))
    assert ci.skipped_files(report) == ["tests/c.py"]

    monkeypatch.setattr(ci, "unchanged", lambda clone: None)
    with pytest.raises(LookupError, match="no test was skipped for want of PyTorch"):
        ci.with_references(tmp_path / "clone", [])
    for more, right in (("", True), (SKIPPED, False)):
        ran = []

        def step(*command, cwd, more=more, ran=ran):
            ran.append(command)
            (tmp_path / "references.xml").write_text(REPORT.format(more=more))
            return ["== 3 passed in 1.00s =="]

        monkeypatch.setattr(ci, "step", step)
        if right:
            found = ci.with_references(tmp_path / "clone", ["tests/c.py"])
            assert found == "3 passed in 1.00s"
        else:
            with pytest.raises(LookupError, match=r"skipped for want of .* tests/c\.py"):
                ci.with_references(tmp_path / "clone", ["tests/c.py"])
        assert ran[1][-2:] == (".[test,references,docs]", ci.TORCH)
        assert ran[2][0].endswith("sphinx-build") and ran[3][-1] == "tests/c.py"


def test_all_built_in_cells_run_under_the_sanitizers(
    ci: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is one that `many` takes, and what it leaves behind is not in the clone."""
    from tests.targets.c.many import parsed

    ran = []
    monkeypatch.setattr(ci, "unchanged", lambda clone: None)
    monkeypatch.setattr(ci, "step", lambda *command, cwd: ran.append((command, cwd)))
    ci.sanitized(tmp_path / "clone")
    ((command, cwd),) = ran
    assert command[:2] == ("env", f"XDG_CACHE_HOME={tmp_path / 'cache'}")
    assert command[2:5] == (".venv/bin/python", "-m", "tests.targets.c.many")
    options = parsed(list(command[5:]))
    assert options.sanitize and options.library == ["all"] and options.cells >= 10
    assert cwd == tmp_path / "clone"


def test_a_changed_clone_is_a_failure(ci: ModuleType, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    ci.unchanged(tmp_path)
    (tmp_path / "left_behind").touch()
    with pytest.raises(LookupError, match="left_behind"):
        ci.unchanged(tmp_path)


def test_the_environment_of_the_steps_is_fresh(
    ci: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")
    monkeypatch.delenv("CI", raising=False)
    assert "VIRTUAL_ENV" not in ci.environment()
    assert ci.environment()["CI"] == "true"
