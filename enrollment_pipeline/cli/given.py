"""What an option takes as it is typed, or from the file that `@FILE` names.

Belongs here: texts, pairs, times, JSON and YAML that a person has written, and what is told of
those that cannot be read. Does not belong here: what they mean.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from enrollment_pipeline.errors import InvalidFileError, ProductError, UsageError

_Used = TypeVar("_Used")


def text_or_file(value: str, option: str) -> str:
    """Return the text itself, or what the file holds that `@FILE` names.

    Raises:
        UsageError: the file cannot be read.
    """
    return file_text(Path(value[1:]), option) if value.startswith("@") else value


def file_text(path: Path, option: str) -> str:
    """Return what a file holds that an option names.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{option}: {str(path)!r} cannot be read: {reason}.") from None


def json_value(text: str, option: str) -> Any:
    """Return what a text says that must be JSON.

    Raises:
        UsageError: it is not, or leaves open what is meant.
    """

    def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # JSON lets the last of two equal keys win, which could select far more than was meant.
        found = dict(pairs)
        if len(found) < len(pairs):
            raise UsageError(f"{option} holds the same key twice in one object.")
        return found

    try:
        return json.loads(text, object_pairs_hook=without_repetition)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{option} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            remedy="Correct it there; JSON that is typed must be quoted for the shell.",
        ) from None
    except RecursionError:
        raise UsageError(f"{option} is nested too deeply.") from None
    except ValueError:
        # Python reads no integer of more than some thousand digits.
        raise UsageError(f"{option} holds a number that is too long.") from None


def pairs(given: Iterable[str], example: str) -> dict[str, str]:
    """Return what texts of the form NAME=VALUE say.

    Raises:
        UsageError: one is not of that form, as the remedy shows, or a name is given twice.
    """
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{one!r} is not of the form NAME=VALUE.", remedy=f"For example: {example}"
            )
        if name.strip() in found:
            raise UsageError(f"{name.strip()!r} is given twice.")
        found[name.strip()] = value.strip()
    return found


def instant(text: str, option: str) -> datetime:
    """Return the time that an ISO text names, without a zone where it names no offset.

    Raises:
        UsageError: it is none.
    """
    from enrollment_pipeline.work.fields import parse_instant

    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from None


def document_from(path: Path) -> Any:
    """Return what a file says in YAML or JSON.

    Raises:
        InvalidFileError: it is neither.
        UsageError: the file cannot be read.
    """
    from enrollment_pipeline.files.documents import read_document

    return read_document(file_text(path, "--file"), str(path))


def edited(document: Mapping[str, Any], use: Callable[[dict[str, Any]], _Used]) -> _Used:
    """Let somebody change a document in an editor, and return what `use` makes of it.

    What was written is kept where it cannot be read or `use` refuses it.

    Raises:
        ProductError: as `use` raises it; the remedy names the file that holds what was written.
        InvalidFileError: it is no longer an object; the same.
        UsageError: there is no terminal or no editor, or nothing was saved.
    """
    import click

    from enrollment_pipeline.files.documents import read_document, write_document

    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("Without a terminal there is no editor: give a document by --file.")
    try:
        text = click.edit(write_document(document), extension=".yaml")
    except click.ClickException as error:
        raise UsageError(
            f"{error.message}.", remedy="Name one in EDITOR, or give a document by --file."
        ) from None
    if text is None:
        raise UsageError("Nothing was saved, and nothing is changed.")
    try:
        found = read_document(text, "The document")
        if not isinstance(found, dict):
            raise InvalidFileError("The document is no object.")
        return use(found)
    except ProductError as error:
        raise type(error)(
            error.message,
            remedy=f"{error.advice} What you wrote is in {_kept(text)}: correct it, and give it "
            "by --file.",
            details=error.details,
        ) from None


def _kept(text: str) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="enrollment-", suffix=".yaml", delete=False
    ) as kept:
        kept.write(text)
    return kept.name
