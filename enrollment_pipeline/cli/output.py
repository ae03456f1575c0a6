"""How a command answers: a table for a person, or one JSON document for a program.

Belongs here: everything that writes to standard output and standard error. Standard output carries
the answer and nothing else; notes, progress and refusals for a person go to standard error.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from enrollment_pipeline.errors import AnswerNotWrittenError, ProductError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# A pipe has no width; whoever reads one wants ids and paths whole.
_WIDTH_OF_A_PIPE = 240


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's answer goes, and in which of the two shapes."""

    as_json: bool = False

    def answer(self, document: Mapping[str, Any], *human: "RenderableType") -> None:
        """Write the one answer of the command: the document, or what a person reads instead."""
        if sys.stdout is None:
            # Whoever closed it wants no answer.
            return
        with _writing():
            self._answer(document, *human)

    def _answer(self, document: Mapping[str, Any], *human: "RenderableType") -> None:
        if self.as_json:
            typer.echo(json.dumps(document, default=_plain))
            return
        from rich.console import Console

        console = Console(
            highlight=False,
            markup=False,
            soft_wrap=True,
            width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE,
        )
        for part in human:
            console.print(part)

    def note(self, text: str) -> None:
        """Tell a person something that is not the answer."""
        typer.echo(text, err=True)

    @property
    def can_ask(self) -> bool:
        """Whether a person sits at a terminal, who can be asked something."""
        return not self.as_json and sys.stdin is not None and sys.stdin.isatty()

    def confirms(self, question: str) -> bool:
        """Return whether the person answers yes; anything else, and no answer, is no."""
        typer.echo(f"{question} [y/N]: ", err=True, nl=False)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def refuse(self, error: ProductError) -> None:
        """Write why there is no answer: one paragraph, or the document `{"error": {...}}`."""
        if self.as_json and sys.stdout and not isinstance(error, AnswerNotWrittenError):
            try:
                with suppress(AnswerNotWrittenError), _writing():
                    typer.echo(json.dumps({"error": error.as_dict()}, default=_plain))
            except BrokenPipeError:
                _give_up_output()
        elif sys.stderr is not None:
            paragraph = f"{error.code}: {error.message} Remedy: {error.advice}"
            typer.echo(" ".join(paragraph.split()), err=True)


@contextmanager
def _writing() -> Iterator[None]:
    """Write to standard output at once, so that it is known here whether that worked.

    Raises:
        AnswerNotWrittenError: it cannot be written to.
        BrokenPipeError: whoever read it has gone, which the parser ends quietly for a command.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up_output()
        raise AnswerNotWrittenError(
            f"The answer cannot be written: {error.strerror}. What was asked for is done."
        ) from None


def _give_up_output() -> None:
    # At its end, Python would try once more to write what is left, and complain.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def table(*columns: str, rows: Iterable[Sequence[object]]) -> "Table":
    """Return a table for `answer`; None becomes an empty cell."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        made.add_row(*(Text(_printable(cell)) for cell in row))
    return made


def facts(values: Mapping[str, object]) -> "Table":
    """Return a table of names and values, one a line, for `answer`."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    made.add_column()
    # An id or a path that is cut is of no use to anybody.
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(Text(name, style="bold"), Text(_printable(value)))
    return made


def _printable(value: object) -> str:
    # A contact's name is foreign text; an escape sequence in it must not reach the terminal.
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text)


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
