"""Errors a user can act on; the command line turns them into one line and exit code 2."""


class InputError(ValueError):
    """Something handed to us cannot be used: the message says what, where and what to do."""


class MissingExtra(ImportError):
    """An optional package is needed: the message names the extra to install."""

    def __init__(self, package: str, extra: str):
        super().__init__(f"{package} is not installed; run: pip install 'rgnn[{extra}]'")


def reason(error: Exception) -> str:
    """Return kind and first line of a foreign error, to be quoted inside a line of ours."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
