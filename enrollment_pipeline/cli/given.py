"""What an option takes as it is typed, or from the file that `@FILE` names.

Belongs here: texts and JSON that a person has written, and what is told of those that cannot be
read. Does not belong here: what they mean.
"""

import json
from pathlib import Path
from typing import Any

from enrollment_pipeline.errors import UsageError


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
