"""Pickled data as plain Python values, by an interpreter that can build data and do nothing else.

A pickle is a program for a small stack machine. The usual machine runs foreign code in two ways:
it imports what a file names, and it calls it. This one has no means for either. A name becomes an
inert `Name`, and only if the caller knows it; a call becomes a `Record` of what was to be called
with what; an instruction that is not in the table at the end is refused. Literals are decoded by
`pickletools.genops` of the standard library, which takes them apart with int(), float(), struct and
codecs (read in Python 3.11): nothing is evaluated, there or here.
"""

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from rgnn.core.errors import InputError

Kind = TypeVar("Kind")

HIGHEST_PROTOCOL = 5


@dataclass(frozen=True)
class Name:
    """What a file names; it is compared, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        text = f"{self.module}.{self.name}"
        return text if text.isprintable() and len(text) < 100 else f"{text[:100]!a} …"


@dataclass(eq=False)
class Record:
    """What a file would have made: the call, and the state set on its result."""

    function: Name
    arguments: tuple[Any, ...]
    state: Any = None


class _Machine:
    """The values at hand: a stack, the stacks set aside by open marks, a memo."""

    def __init__(self, known: Collection[Name]):
        self.known = known
        self.stack: list[Any] = []
        self.aside: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def take(self, count: int) -> list[Any]:
        """Remove and return the last `count` values."""
        start = len(self.stack) - count
        if start < 0:
            raise ValueError("an instruction takes more values than there are")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def take_marked(self) -> list[Any]:
        """Remove and return the values since the last mark, and the mark."""
        if not self.aside:
            raise ValueError("an instruction looks for a mark that is not there")
        taken, self.stack = self.stack, self.aside.pop()
        return taken

    def top(self, kind: type[Kind]) -> Kind:
        """Return the last value, which has to be of `kind`."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise ValueError(f"an instruction finds no {kind.__name__} to work on")
        return self.stack[-1]

    def result(self) -> Any:
        if self.aside or len(self.stack) != 1:
            raise ValueError("it ends with open values")
        return self.stack[0]


def read(data: bytes, known: Collection[Name]) -> Any:
    """Return what pickled `data` describe, with `Record`s for calls of `known` names.

    Raises InputError for names and instructions that plain data do not need, and any other
    exception for data that are damaged.
    """
    machine = _Machine(known)
    for instruction, argument, _ in pickletools.genops(data):
        action = ACTIONS.get(instruction.name)
        if action is None:
            raise InputError(
                f"uses the instruction {instruction.name}, which plain arrays never do"
            )
        action(machine, argument)
    return machine.result()


def _nothing(machine: _Machine, argument: Any) -> None:
    pass


def _protocol(machine: _Machine, version: int) -> None:
    if version > HIGHEST_PROTOCOL:
        raise ValueError(f"protocol {version} is not known")


def _mark(machine: _Machine, _: Any) -> None:
    machine.aside.append(machine.stack)
    machine.stack = []


def _pop(machine: _Machine, _: Any) -> None:
    if machine.stack:
        machine.take(1)
    else:
        machine.take_marked()


def _memoise(machine: _Machine, place: int | None) -> None:
    machine.memo[len(machine.memo) if place is None else place] = machine.top(object)


def _recall(machine: _Machine, place: int) -> None:
    if place not in machine.memo:
        raise ValueError(f"memo {place} is asked for before it is filled")
    machine.push(machine.memo[place])


def _extend(machine: _Machine, items: list[Any]) -> None:
    machine.top(list).extend(items)


def _fill(machine: _Machine, items: list[Any]) -> None:
    target = machine.top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        _refuse_odd(key)
        target[key] = value


def _refuse_odd(key: Any) -> None:
    """Refuse keys that are not plain: hashing a deep tuple can crash, printing a long one hang."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) > 9:
        raise ValueError("a long tuple as key of a dictionary")
    for part in parts:
        if not isinstance(part, str | bytes | int | float | Record | None):
            raise ValueError(f"a {type(part).__name__} as key of a dictionary")


def _dictionary(machine: _Machine, _: Any) -> None:
    items = machine.take_marked()
    machine.push({})
    _fill(machine, items)


def _name(machine: _Machine, module: Any, name: Any) -> None:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise ValueError("a name that is no text")
    found = Name(module, name)
    if found not in machine.known:
        raise InputError(
            f"asks for {found}; only plain NumPy and JAX arrays are read, nothing is "
            "executed. Save the arrays as .npz instead"
        )
    machine.push(found)


def _record_call(machine: _Machine, _: Any) -> None:
    function, arguments = machine.take(2)
    if not (isinstance(function, Name) and isinstance(arguments, tuple)):
        raise ValueError("a call of something that is no name")
    machine.push(Record(function, arguments))


def _record_state(machine: _Machine, _: Any) -> None:
    (state,) = machine.take(1)
    record = machine.top(Record)
    if record.state is not None:
        raise ValueError("a state that is set twice")
    record.state = state


Action = Callable[[_Machine, Any], object]

_LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
).split()

ACTIONS: dict[str, Action] = {
    **dict.fromkeys(_LITERALS, _Machine.push),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoise),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _recall),
    **dict.fromkeys(("FRAME", "STOP"), _nothing),
    "PROTO": _protocol,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.take_marked())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "LIST": lambda machine, _: machine.push(machine.take_marked()),
    "APPEND": lambda machine, _: _extend(machine, machine.take(1)),
    "APPENDS": lambda machine, _: _extend(machine, machine.take_marked()),
    "DICT": _dictionary,
    "SETITEM": lambda machine, _: _fill(machine, machine.take(2)),
    "SETITEMS": lambda machine, _: _fill(machine, machine.take_marked()),
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.take_marked(),
    "DUP": lambda machine, _: machine.push(machine.top(object)),
    "GLOBAL": lambda machine, both: _name(machine, *both.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: _name(machine, *machine.take(2)),
    "REDUCE": _record_call,
    "BUILD": _record_state,
}
"""What each instruction does; all others are refused."""
