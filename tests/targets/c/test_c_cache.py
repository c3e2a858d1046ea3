"""The compiler and its cache: nothing is loaded that another could have put there, or half made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lstmgen
from lstmgen.targets.c import compiler
from lstmgen.targets.rendering import files
from tests.targets.c.many import LEAN, module_of

pytestmark = pytest.mark.skipif(
    compiler.command() is None, reason="no C compiler; " + compiler.CURE
)
CALL = "m.forward(m.init_params(2, 3), np.zeros((1, 1, 2), 'f4'))"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the module rnn_c, for processes of their own."""
    for name, text in files(lstmgen.load("rnn"), "c").items():
        (tmp_path / name).write_text(text)
    return tmp_path


def start(folder: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"import numpy as np, rnn_c as m; m._FLAGS += {LEAN}\n{code}"],
        env=os.environ | {"XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(folder)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    module = module_of("rnn")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install ziglang"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    module = module_of("rnn")
    with pytest.raises(RuntimeError, match=r"there is no \$CC, 'no-such-compiler -m64'"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


def test_a_compiler_that_fails_is_shown_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = module_of("rnn", "-no-such-flag")
    with pytest.raises(RuntimeError, match="no-such-flag"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))
    assert list((tmp_path / "lstmgen").iterdir()) == []


@pytest.mark.parametrize("how", ["all", "group", "link", "file", "owner"])
def test_a_cache_that_others_can_write_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "lstmgen"
    if how == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif how == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod({"all": 0o777, "group": 0o770}.get(how, 0o700))
    if how == "owner":
        if os.getuid() == 0:
            os.chown(folder, 12345, 12345)
        else:
            monkeypatch.setattr(os, "getuid", lambda: 12345)
    module = module_of("rnn")
    with pytest.raises(RuntimeError, match="must be a folder of your own"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


def test_twenty_processes_at_once_end_with_one_good_file(written: Path) -> None:
    forks = f"""
import os
def child(k):
    y = {CALL}[0]
    os._exit(0 if y.shape == (1, 1, 3) else 1)
pids = []
for k in range(20):
    pid = os.fork()
    if not pid:
        try:
            child(k)
        finally:
            os._exit(1)
    pids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 20
print(len(os.listdir(os.environ["XDG_CACHE_HOME"] + "/lstmgen")), "file")
{CALL}
"""
    process = start(written, forks)
    assert process.communicate()[0] == "1 file\n"
    assert (written / "lstmgen").stat().st_mode & 0o777 == 0o700


def test_without_a_place_for_the_cache_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    module = module_of("rnn")
    with pytest.raises(RuntimeError, match="set XDG_CACHE_HOME"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


SLOW = """#!{python}
import os, sys, time
arguments = sys.argv[1:]
if os.path.exists("{folder}/slow"):
    with open(arguments[arguments.index("-o") + 1], "wb") as made:
        made.write(b"half a library")
    open("{folder}/began", "w").close()
    time.sleep(60)
os.execvp({compiler!r}, [*{command!r}, *arguments])
"""


def test_a_compile_that_is_killed_leaves_nothing_that_is_loaded(written: Path) -> None:
    command = compiler.command()
    assert command is not None
    (written / "cc").write_text(
        SLOW.format(python=sys.executable, folder=written, compiler=command[0], command=command)
    )
    (written / "cc").chmod(0o700)
    (written / "slow").touch()
    killed = start(written, CALL, CC=str(written / "cc"))
    for _ in range(600):
        if (written / "began").exists():
            break
        time.sleep(0.1)
    assert (written / "began").exists()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not list((written / "lstmgen").glob("*.so"))
    (written / "slow").unlink()
    process = start(written, f"print({CALL}[0].shape)", CC=str(written / "cc"))
    assert process.communicate()[0] == "(1, 1, 3)\n"
    assert len(list((written / "lstmgen").glob("*.so"))) == 1


def test_a_fork_after_threads_works(written: Path) -> None:
    """Also while another thread compiles: the child's lock is a new one."""
    code = """
import os, threading
m.set_threads(2)
p, x = m.init_params(2, 3), np.ones((4, 4, 2), "f4")
def all_of():
    y, state, tape = m.forward(p, x)
    return [y, *m.backward(p, tape, y)[0].values()]
wanted = all_of()
let_go = threading.Event()
def hold():
    with m._lock:
        let_go.wait()
threading.Thread(target=hold, daemon=True).start()
while not m._lock.locked():
    pass
pid = os.fork()
if not pid:
    ok = False
    try:
        m._libraries.clear()
        ok = all(map(np.array_equal, wanted, all_of()))
    finally:
        os._exit(0 if ok else 1)
print(os.waitpid(pid, 0)[1])
let_go.set()
"""
    process = start(written, "import warnings; warnings.simplefilter('ignore')\n" + code)
    try:
        assert process.communicate(timeout=60)[0] == "0\n"
    finally:
        process.kill()
