"""Placeholders filled in: what a text of a step becomes for one subject; pure.

Belongs here: values as texts, as parts of a URL, as headers. A value is never looked through for
placeholders: what somebody has entered stays what it is. Does not belong here: which names there
are (`placeholders`, `subjects`), and the request that is made (`calling`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import Placeholder, only_placeholder, pieces

LONGEST = 2_000_000
"""Characters of what one text or one body may become: two of the longest answers."""

_DEEPEST = 100
_TOO_DEEP = "What the step makes holds lists and objects that are nested too deep."
# What the account itself has entered, and stands in a URL as it is.
_OWN = frozenset({"values", *INTEGRATIONS})
_has_host = re.compile(r"https?://[^/?#\\\s]+[/?]", re.IGNORECASE)
# Also in the forms in which some servers see it: encoded, or with parameters behind it.
_steps_aside = re.compile(r"(?:\A|[/\\])\.{1,2}(?:[/\\;]|\Z)")


class RenderError(Exception):
    """A text cannot be made of what the subject holds; its message is a sentence."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders may name, by root, and the zone by whose clocks times are shown."""

    values: Mapping[str, Any]
    zone: ZoneInfo

    def find(self, placeholder: Placeholder) -> Any:
        """Return the value that a placeholder names, None where there is none."""
        found: Any = self.values.get(placeholder.root)
        for name in placeholder.rest.split(".") if placeholder.rest else ():
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def render(value: JsonValue, scope: Scope) -> JsonValue:
    """Return a JSON value with its placeholders filled in.

    A text that is one placeholder and nothing else becomes the value that it names, be it an
    object, a number or nothing; keys of objects stay.

    Raises:
        RenderError: it is nested too deep, or becomes too long.
    """
    made = _rendered(value, scope, _DEEPEST)
    _room_left(made, _DEEPEST, LONGEST)
    return made


def render_text(text: str, scope: Scope) -> str:
    """Return a text with its placeholders filled in; what there is nothing for becomes nothing.

    Raises:
        RenderError: it becomes too long.
    """
    made, room = [], LONGEST
    for piece in pieces(text):
        made.append(piece if isinstance(piece, str) else _text_of(piece, scope))
        room = _room_left(made[-1], _DEEPEST, room)
    return "".join(made)


def render_url(text: str, scope: Scope) -> str:
    """Return a URL with its placeholders filled in.

    What an account has entered itself (integrations, values) stands there as it is. All other
    values become one piece of the path or the query, whatever they hold, and never of the host, so
    that no item can lead a request elsewhere.

    Raises:
        RenderError: a value is missing, is none that a piece of a URL can be, or stands where the
            host is; or what is made is no address of a service, or has `..` in its path.
    """
    made = own = ""
    for piece in pieces(text):
        if isinstance(piece, str):
            made, own = _joined(made, own, piece), ""
        elif piece.root in _OWN:
            value = _required(piece, scope)
            made, own = made + value, own + value
        elif _has_host.match(made):
            made, own = made + _piece_of_url(piece, scope), ""
        else:
            raise RenderError(f"{piece.name} stands where the host of the URL is.")
    if _is_unsound(made):
        raise RenderError("The URL that the step makes is no http or https address.")
    if _steps_aside.search(unquote(urlsplit(made).path)):
        raise RenderError('The URL that the step makes has "." or ".." as a piece of its path.')
    return made


def render_headers(headers: Mapping[str, str], scope: Scope) -> dict[str, str]:
    """Return headers with their placeholders filled in.

    Raises:
        RenderError: a value holds a line break or another control character.
    """
    made = {name: render_text(text, scope) for name, text in headers.items()}
    for name, value in made.items():
        if not value.isprintable():
            raise RenderError(
                f"The header {show(name)} would hold a line break or a control character."
            )
    return made


def _rendered(value: JsonValue, scope: Scope, depth: int) -> JsonValue:
    if isinstance(value, str):
        only = only_placeholder(value)
        if only is not None and not only.filters:
            found: JsonValue = scope.find(only)
            return found
        return render_text(value, scope)
    if not depth and isinstance(value, dict | list):
        raise RenderError(_TOO_DEEP)
    if isinstance(value, dict):
        return {key: _rendered(one, scope, depth - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_rendered(one, scope, depth - 1) for one in value]
    return value


def _room_left(value: Any, depth: int, room: int) -> int:
    """Return how many characters may follow a value; whatever is no text counts as one."""
    room -= len(value) if isinstance(value, str) else 1
    if room < 0:
        raise RenderError(f"What the step makes is longer than {LONGEST:,} characters.")
    if not isinstance(value, dict | list):
        return room
    if not depth:
        raise RenderError(_TOO_DEEP)
    for one in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
        room = _room_left(one, depth - 1, room)
    return room


def _text_of(placeholder: Placeholder, scope: Scope) -> str:
    value: Any = scope.find(placeholder)
    defaults = iter(placeholder.otherwise)
    for name in placeholder.filters:
        if name == "default":
            otherwise = next(defaults, "")
            value = otherwise if value is None or value == "" else value
        else:
            value = _filtered(name, value, scope.zone)
    return _as_text(value)


def _filtered(name: str, value: Any, zone: ZoneInfo) -> Any:
    if name in ("date", "time"):
        return _clock(name, value, zone)
    text = _as_text(value)
    changed = {"upper": text.upper, "lower": text.lower, "title": text.title}
    return changed[name]() if name in changed else value


def _clock(name: str, value: Any, zone: ZoneInfo) -> Any:
    """Return the date, or the time of day, of a point in time; what is none stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value)
        local = found.astimezone(zone) if found.tzinfo is not None else found
    except (ValueError, OverflowError):
        return value
    if name == "date":
        return local.date().isoformat()
    return "" if _is_date(value) else local.strftime("%H:%M")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise RenderError("A value of the item cannot be written as a text.") from None


def _joined(made: str, own: str, piece: str) -> str:
    """Return a URL with what the step has behind it; `own` is the address that it ends with."""
    if not own or not piece.startswith("/"):
        return made + piece
    if "?" in own:
        raise RenderError("An address with a query cannot be followed by a path.")
    # An address is often entered with a slash at its end.
    return made.rstrip("/") + piece


def _required(placeholder: Placeholder, scope: Scope) -> str:
    text = _text_of(placeholder, scope)
    if not text.strip():
        raise RenderError(f"The URL of the step needs {placeholder.name}, which is missing.")
    return text.strip()


def _piece_of_url(placeholder: Placeholder, scope: Scope) -> str:
    value = scope.find(placeholder)
    if isinstance(value, dict | list):
        raise RenderError(f"The URL of the step cannot hold {placeholder.name}, which is no text.")
    try:
        return quote(_required(placeholder, scope), safe="")
    except UnicodeEncodeError:
        raise RenderError(
            f"The URL of the step cannot hold {placeholder.name}, which is half of a character."
        ) from None


def _is_unsound(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        return True
    return not named or "@" in parts.netloc or "#" in url or not url.isprintable() or " " in url
