"""The command line around the commands: help, version, failures, progress."""

import errno
import io
import subprocess
import sys
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from rgnn.cli import environment, main
from rgnn.cli.failure import Careful, verdict
from rgnn.cli.progress import progress
from rgnn.core.errors import InputError, MissingExtra

HEAVY = ("jax", "equinox", "ase", "matplotlib", "scipy")


def run(*words: str):
    return CliRunner().invoke(main.app, list(words))


def failing_app(error: BaseException) -> typer.Typer:
    app = typer.Typer(cls=Careful)

    @app.callback()
    def root(debug: bool = False) -> None:
        """Take --debug."""

    @app.command()
    def fit(out: str = "x", resume: bool = False, overwrite: bool = False) -> None:
        """Fail."""
        raise error

    return app


def test_help_imports_nothing_heavy():
    """Whatever `--help` imports is what every user waits for."""
    code = (
        "import sys; from typer.testing import CliRunner; from rgnn.cli import main; "
        "r = CliRunner().invoke(main.app, ['force', 'fit', '--help']); assert r.exit_code == 0; "
        f"print(sorted({set(HEAVY)} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("group", ["force", "hamiltonian", "wavefunction", "chip"])
def test_every_group_explains_itself(group):
    shown = run(group, "--help")
    assert shown.exit_code == 0
    assert "Commands" in shown.stdout


def test_version_is_one_line():
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("rgnn ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["forc"], "No such command 'forc'. Did you mean 'force'?; see"),
        (["force", "fit", "x", "--otu", "y"], "No such option: --otu"),
        (["force", "md", "run"], "Missing argument 'START'; see"),
        (["force", "fit", "x", "--out", "y", "--seed", "-1"], "'--seed'"),
    ],
)
def test_wrong_usage_is_one_line(words, message):
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("bad\n  frame"), 2, "error: bad frame"),
        (MissingExtra("sisl", "hamiltonian"), 2, "pip install 'rgnn[hamiltonian]'"),
        (OSError(errno.ENOSPC, "No space left on device", "r/m"), 2, "r/m: no space left"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "--resume"),
        (PermissionError(errno.EACCES, "Permission denied", "/r"), 2, "may write"),
        (MemoryError(), 2, "out of memory"),
        (KeyError("x"), 1, "internal error: KeyError"),
    ],
)
def test_failures_end_in_one_line(error, code, words):
    result = CliRunner().invoke(failing_app(error), ["fit"])
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stderr.strip().count("\n") == 0


@pytest.mark.parametrize("words", [["--debug", "fit"], ["fit", "--debug"]])
def test_debug_shows_the_traceback(words):
    result = CliRunner().invoke(failing_app(InputError("bad")), words)
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.strip().endswith("error: bad")


def test_an_interruption_says_how_to_go_on():
    words = ["fit", "--out", "my run", "--overwrite"]
    result = CliRunner().invoke(failing_app(KeyboardInterrupt()), words)
    assert result.exit_code == 130
    assert "continue with: rgnn fit --out 'my run' --resume" in result.stderr


def test_an_interruption_of_short_work_just_says_so():
    assert verdict(KeyboardInterrupt(), ["report", "run"]) == (130, "interrupted")


def test_progress_is_plain_lines_when_not_on_a_terminal():
    shown = io.StringIO()
    with progress(Console(file=shown)) as report:
        for done in range(1, 4):
            report("features", done, 3)
    assert shown.getvalue() == "features: 3/3\n"


def test_progress_draws_bars_on_a_terminal():
    shown = io.StringIO()
    with progress(Console(file=shown, force_terminal=True, width=100)) as report:
        report("features", 1, 2)
        report("solve", 0, 1)
        report("features", 2, 2)
    assert "features" in shown.getvalue()
    assert "2/2" in shown.getvalue()


def test_the_environment_leaves_the_users_choices(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr("warnings.showwarning", None)
    with monkeypatch.context() as changes:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "JAX_COMPILATION_CACHE_DIR"):
            changes.setenv(name, "kept")
        environment.prepare()
        assert environment.os.environ["OMP_NUM_THREADS"] == "4"
        assert environment.os.environ["JAX_COMPILATION_CACHE_DIR"] == "kept"
        assert "intra_op" in environment.os.environ["XLA_FLAGS"]


def _helps(command: Any) -> list[str]:
    """Return every text of help of a command and those below it."""
    found = [getattr(option, "help", None) for option in command.params] + [command.help]
    for below in getattr(command, "commands", {}).values():
        found += _helps(below)
    return [text for text in found if text]


def test_help_shows_every_word_that_was_written():
    """Help is read as markup, in which [bohr] is a style and vanishes."""
    texts = _helps(typer.main.get_command(main.app))
    assert len(texts) > 60
    for text in texts:
        assert Text.from_markup(text).plain == text
