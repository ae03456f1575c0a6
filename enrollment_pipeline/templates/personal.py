"""Personal data and secrets in a text: where they are, and of which kind.

Pure. Belongs here: what is looked for in which order, and what of it counts where two lie upon each
other. Each kind has a file of its own (`phones`, `secret_texts`, `urls`, `name_texts`). Does not
belong here: what is put in their place (`sanitising`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from enrollment_pipeline.templates.name_texts import NOBODY, People, names_in
from enrollment_pipeline.templates.phones import is_card, phones_in
from enrollment_pipeline.templates.secret_texts import CAMEL, secrets_in
from enrollment_pipeline.templates.urls import is_private, readable, urls_in

GAP = "\ufdd0"
"""Stands in a text for something that is not looked at; Unicode has it for such uses."""

_email = re.compile(
    r"(?<![\w.+%-])[\w.!#$%&'*+/=?^~-]{0,63}\w[+_-]?"
    r"(?:[@\uff20]|\s?[(\[{]\s?(?:at|@)\s?[)\]}]\s?)"
    r"[\w-]{1,63}(?:(?:\.|\s?[(\[{]\s?dot\s?[)\]}]\s?)[\w-]{1,63}){0,6}",
    re.IGNORECASE,
)
_at = re.compile(r"[@\uff20]|[(\[{]\s?at", re.IGNORECASE)
_picture = re.compile(r"@\dx\.(?:png|jpe?g|gif|svg|webp)", re.IGNORECASE)
_between_words = re.compile(r"[\W_]+")

_FEW_WORDS = 4
_SHORT = 80


class Kind(StrEnum):
    """What was found; values that stand for it are called by it."""

    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    URL = "url"
    SECRET = "secret"  # noqa: S105 - the name of a kind, no secret


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A part of a text that is nobody else's business."""

    start: int
    end: int
    kind: Kind


def found_in(text: str, people: People = NOBODY, *, alone: bool = False) -> list[Found]:
    """Return all personal data and secrets of a text, in order, none upon another.

    `alone`: the text is a field of its own such as a person's first name.
    """
    found: list[Found] = []
    for start, end in urls_in(text):
        address = text[start:end]
        if is_private(address) or _tells_of_somebody(address, people):
            found.append(Found(start, end, Kind.URL))
        text = _blanked(text, start, end)
    for one in _in_order(text):
        found.append(one)
        text = _blanked(text, one.start, one.end)
    found += [Found(*span, Kind.NAME) for span in names_in(text, people, alone=alone)]
    return sorted(found)


def is_personal_name(identifier: str, people: People = NOBODY) -> bool:
    """Return whether an id, a tag or the like holds personal data, as `call_anna_schmidt` does.

    Texts of more than a few words are none; `found_in` is for those.
    """
    if found_in(identifier, people):
        return True
    if len(identifier) > _SHORT:
        return False
    words = [one for one in _between_words.split(CAMEL.sub(" ", identifier)) if one]
    if not 0 < len(words) <= _FEW_WORDS:
        return False
    return bool(names_in(" ".join(one[0].upper() + one[1:] for one in words), people)) or any(
        len(one) > 2 and names_in(one, people, alone=True) for one in words
    )


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + GAP * (end - start) + text[end:]


def _tells_of_somebody(address: str, people: People) -> bool:
    words = readable(address)
    return any(True for _ in _in_order(words)) or bool(
        names_in(words, people) or names_in(words.title(), people)
    )


def _in_order(text: str) -> Iterator[Found]:
    """Yield e-mail addresses, then secrets, then phone numbers; each is blanked before the next."""
    for start, end in _emails_in(text):
        text = _blanked(text, start, end)
        yield Found(start, end, Kind.EMAIL)
    for start, end in _joined(secrets_in(text)):
        if text[start:end].strip(GAP):
            text = _blanked(text, start, end)
            yield Found(start, end, Kind.SECRET)
    for start, end in phones_in(text):
        yield Found(start, end, Kind.SECRET if is_card(text[start:end]) else Kind.PHONE)


def _emails_in(text: str) -> Iterator[tuple[int, int]]:
    if not _at.search(text):
        return
    for found in _email.finditer(text):
        if not _picture.search(found[0]):
            yield found.span()


def _joined(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in order, those that lie upon each other as one."""
    start = end = 0
    for low, high in sorted(spans):
        if low >= end and end > start:
            yield start, end
            start = low
        elif end == start:
            start = low
        end = max(end, high)
    if end > start:
        yield start, end
