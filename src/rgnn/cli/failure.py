"""Turn what goes wrong into one line on stderr and an exit code."""

import errno
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from rgnn.core.errors import InputError, MissingExtra

BAD_INPUT = 2
INTERNAL = 1
INTERRUPTED = 130

_RESUMABLE = ("demo", "fit", "md")


class Careful(TyperGroup):
    """The root command: explains failures of any command below it.

    `--debug` is understood anywhere on the line and shows the traceback as well.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take note of the whole line before it is parsed."""
        ctx.meta["rgnn.line"] = list(args)
        ctx.meta["rgnn.debug"] = "--debug" in args
        return super().parse_args(ctx, [word for word in args if word != "--debug"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure ends with the code and line of `verdict`."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, typer.TyperException) and not error.format_message():
                raise  # help, which giving no arguments asks for
            if ctx.meta["rgnn.debug"]:
                traceback.print_exc()
            code, line = verdict(error, ctx.meta["rgnn.line"])
            print(line, file=sys.stderr, flush=True)
            raise typer.Exit(code) from None


def verdict(error: BaseException, line: Sequence[str] = ()) -> tuple[int, str]:
    """Return exit code and explanation of `error`, which the command `line` raised."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, _interruption(line)
    if isinstance(error, typer.TyperException):
        return BAD_INPUT, f"error: {error.format_message().rstrip('.')}; see {_help(error)}"
    if isinstance(error, OSError):
        return BAD_INPUT, f"error: {_system(error)}"
    if isinstance(error, MemoryError):
        return BAD_INPUT, "error: out of memory; use fewer frames or a smaller model"
    words = " ".join(str(error).split())
    if isinstance(error, InputError | MissingExtra):
        return BAD_INPUT, f"error: {words}"
    return INTERNAL, (
        f"internal error: {type(error).__name__}: {words}; this is our mistake: run again with "
        "--debug and report what it prints"
    )


def _interruption(line: Sequence[str]) -> str:
    """Return what to tell someone who pressed Ctrl-C: where possible, how to go on."""
    if not any(word in _RESUMABLE for word in line[:2]):
        return "interrupted"
    again = [word for word in line if word not in ("--overwrite", "--resume")]
    return f"interrupted; continue with: rgnn {shlex.join([*again, '--resume'])}"


def _system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{(error.strerror or str(error)).lower()}{_ADVICE.get(error.errno or 0, '')}"


_FULL = "; free some space and continue with --resume, nothing finished is lost"
_CLOSED = "; choose a place you may write to"
_ADVICE = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EACCES: _CLOSED, errno.EROFS: _CLOSED}


def _help(error: typer.TyperException) -> str:
    """Return the command that explains the usage which was wrong."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'rgnn'} --help"
