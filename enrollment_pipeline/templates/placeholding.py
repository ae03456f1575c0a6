"""From a text with personal data to one with placeholders in its place.

Pure. Belongs here: what one text, one identifier or one number becomes, and which values of the
document stand for what was found. Does not belong here: what is found (`personal`), and which parts
of a document are texts (`sanitising`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from enrollment_pipeline.templates.name_texts import People
from enrollment_pipeline.templates.personal import GAP, Found, Kind, found_in, is_personal_name
from enrollment_pipeline.templates.phones import is_card, is_long_number
from enrollment_pipeline.templates.secret_texts import names_a_credential
from enrollment_pipeline.workflows.documents import MOST_VALUES
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import FILTERS
from enrollment_pipeline.workflows.subjects import ATTRIBUTES, CUSTOM_FIELDS

_NAME = r'[^\s.|{}"\']+'
_placeholder = re.compile(
    r"\{\{\s*(?P<root>\w+)(?:\.(?P<rest>" + _NAME + r"(?:\." + _NAME + r")*))?\s*"
    r'(?P<filters>(?:\|\s*(?:default\(\s*"[^"{}]*"\s*\)|[a-z]+)\s*)*)\}\}'
)
_filter = re.compile(r'\|\s*(?P<name>[a-z]+)(?:\(\s*"(?P<literal>[^"{}]*)"\s*\))?\s*')
_only_value = re.compile(r"\{\{\s*values\.([a-z][a-z0-9_]{0,39})\s*\}\}")
_value_name = re.compile(r"[a-z][a-z0-9_]{0,39}")
_numbered = re.compile(r"(?:email|phone|name|url|secret|value|field|step|goal|type)_\d{1,6}")

_names_a_person = re.compile(
    r"(?:^|[\W_])(?:(?:first|last|full|given|family|middle|contact|customer|client|user|owner|your)"
    r"[\s_-]?name|surname|firstname|lastname|fullname|vorname|nachname|pr[ée]nom|nombre|apellidos?)$",
    re.IGNORECASE,
)

_names_a_phone = re.compile(
    r"(?:phone|mobile|tel|fax|whatsapp|cell|handy|telefon|sms)(?:[\W_]?(?:number|no|nr))?$",
    re.IGNORECASE,
)
_FEWEST_DIGITS = 6
_LARGEST = 10**30

# What the address of an integration is tried with: a page that everybody may read.
_ANYWHERE = "https://example.com"
_LONGEST_URL = 2_000

_LONGEST = 60_000
"""Characters of one text; what is behind them is cut off unread."""

_CONTAINERS = (CUSTOM_FIELDS, "data", ATTRIBUTES, f"item.{ATTRIBUTES}")
"""Below them, a field has any name."""

_MOST_PASSES = 10
_MOST_CUTS = 5


@dataclass(frozen=True, slots=True)
class Replacement:
    """Something that was taken out of a document, without what it was.

    `placeholder` is what stands there now: a placeholder, another identifier, or nothing.
    """

    path: str
    kind: Kind
    placeholder: str


@dataclass(slots=True)
class Placeholding:
    """The texts of one document while they are gone through.

    `taken` are the names that the document uses already, so that none is given twice.
    """

    people: People
    values: Mapping[str, object]
    taken: set[str]
    replaced: list[Replacement] = field(default_factory=list)
    emptied: set[str] = field(default_factory=set)
    _new: dict[tuple[Kind, str], str] = field(default_factory=dict)
    _renamed: dict[tuple[str, str], str] = field(default_factory=dict)

    def text(self, text: str, path: str, *, most: int = _LONGEST, short: bool = False) -> str:
        """Return a text with placeholders for what is personal in it, at most `most` characters.

        `short`: not prose but a tag, a value or the like, in which a name may stand for itself.
        """
        cleaned = self._cleaned(text[:_LONGEST], path, short=short)
        if len(text) > most:
            return cleaned
        for _ in range(_MOST_CUTS):
            if len(cleaned) <= most:
                return cleaned
            cleaned = self._cleaned(_cut(cleaned, most), path, short=short)
        return ""

    def whole(self, kind: Kind, text: str, path: str) -> str:
        """Return a placeholder for all of a text, unless it is empty or one already."""
        text = text.replace(GAP, "")
        found = _only_value.fullmatch(text)
        if found is not None:
            self.emptied.add(found[1])
            return self._cleaned(text, path, short=False)
        only = _placeholder.fullmatch(text)
        if only is not None and not only["filters"]:
            # It names what a subject or an account has, and holds nothing of it.
            written = self._kept_placeholder(only, path)
            if written is not None:
                return written
        if not text.strip():
            return ""
        return self._replace(kind, text[:_LONGEST], path)

    def url(self, text: str, path: str) -> str:
        """Return the address of a request, or a placeholder for all of it.

        One stays that begins with a placeholder and has nothing of somebody behind it: where it
        leads is said by whoever uses the document. A value that it begins with is emptied.
        """
        text = text.replace(GAP, "")
        first = _placeholder.match(text)
        if first is not None and (first["root"] == "values" or first["root"] in INTEGRATIONS):
            bare, kept = self._apart(text, path)
            tried = bare.replace(GAP, _ANYWHERE, 1)
            stays = _joined(bare, kept)
            if (
                bare.startswith(GAP)
                and len(stays) <= _LONGEST_URL
                and not found_in(tried, self.people)
                and not found_in(bare, self.people)
            ):
                if first["root"] == "values":
                    self.emptied.add(first["rest"])
                return stays
        return self.whole(Kind.URL, text, path)

    def value_of(self, name: str, text: str, path: str, *, most: int = _LONGEST) -> str:
        """Return a short text with regard to what it is called: any text is a password there."""
        name = _placeholder.sub("", name)
        if names_a_credential(name):
            return self.whole(Kind.SECRET, text, path)
        if _names_a_person.search(name):
            return self.whole(Kind.NAME, text, path)
        if _names_a_phone.search(name) and sum(map(str.isdigit, text)) >= _FEWEST_DIGITS:
            return self.whole(Kind.PHONE, text, path)
        return self.text(text, path, most=most, short=True)

    def named_number(self, name: str, number: float, path: str) -> float | str:
        """Return a number, or a placeholder where it is a card's, somebody's or a secret."""
        name = _placeholder.sub("", name)
        written = f"{number:.0f}" if abs(number) < _LARGEST else str(_LARGEST)
        if names_a_credential(name):
            return self._replace(Kind.SECRET, written, path)
        if is_long_number(number):
            return self._replace(Kind.SECRET if is_card(written) else Kind.PHONE, written, path)
        if _names_a_phone.search(name) and abs(number) >= 10 ** (_FEWEST_DIGITS - 1):
            return self._replace(Kind.PHONE, written, path)
        return number

    def identifier(self, name: str, becomes: str, path: str) -> str:
        """Return an identifier, or another such as `step_1` where it holds personal data.

        The same identifier always becomes the same.
        """
        if (becomes, name) not in self._renamed:
            readable = name.replace(GAP, "")
            if readable and is_personal_name(readable, self.people):
                readable = self._unused(becomes)
                self.replaced.append(Replacement(path, Kind.NAME, readable))
            self._renamed[becomes, name] = readable
        return self._renamed[becomes, name]

    def unlike(self, name: str, becomes: str, others: Iterable[str]) -> str:
        """Return a name, or another where it is one of the others already."""
        return self._unused(becomes) if name in others else name

    def field(self, name: str, path: str) -> str:
        """Return the name of a field, of whomever or whatever, renamed where it is personal."""
        head, dot, rest = name.partition(".")
        if not dot:
            return self.identifier(name, "field", path)
        if head == "steps":
            return f"steps.{self._answer(rest, path)}"
        if head == "item":
            inner, dot, below = rest.partition(".")
            if inner != ATTRIBUTES or not dot:
                return f"item.{self.identifier(rest, 'field', path)}"
            head, rest = f"item.{ATTRIBUTES}", below
        if head == "data" and "." in rest:
            middle, _, rest = rest.partition(".")
            head = f"data.{self.identifier(middle, 'field', path)}"
        elif head not in _CONTAINERS:
            return self.identifier(name, "field", path)
        return f"{head}.{self.identifier(rest, 'field', path)}"

    def _answer(self, name: str, path: str) -> str:
        """Return the name of what a step was answered, the step called as it is now."""
        step, dot, rest = name.partition(".")
        step_id = self.identifier(step, "step", path)
        if not dot:
            return step_id
        below = self.identifier(rest, "field", path)
        if is_personal_name(f"{step_id}.{below}", self.people):
            below = self.identifier(name, "field", path)
        return f"{step_id}.{below}"

    def all_values(self) -> dict[str, str]:
        """Return the values of the sanitised document: its own, then those that were added."""
        kept: dict[str, str] = {}
        for name in self._own_names():
            renamed = self.identifier(name, "value", "values")
            kept[renamed] = self._kept_value(name, self.values[name], f"values.{renamed}")
        for name in self._new.values():
            kept.setdefault(name, "")
        return kept

    def _own_names(self) -> list[str]:
        """Return the names of the document's own values that can stay, whatever they are called."""
        names = [one for one in self.values if isinstance(one, str) and _value_name.fullmatch(one)]
        return names[:MOST_VALUES]

    def _kept_value(self, name: str, text: object, path: str) -> str:
        if not isinstance(text, str) or not text:
            return ""
        kind = Kind.SECRET if name in self.emptied else self._kind_of(name, text)
        if kind is None:
            return text
        self.replaced.append(Replacement(path, kind, ""))
        return ""

    def _kind_of(self, name: str, text: str) -> Kind | None:
        """Return what is personal in a value, None where nothing is."""
        probe = Placeholding(self.people, {}, set())
        kept = probe.value_of(name, text, "")
        if probe.replaced:
            return probe.replaced[0].kind
        return None if kept == text else Kind.SECRET

    def _cleaned(self, text: str, path: str, *, short: bool) -> str:
        bare, kept = self._apart(text.replace(GAP, ""), path)
        for _ in range(_MOST_PASSES):
            found = found_in(bare, self.people)
            if not found:
                if short and is_personal_name(bare, self.people):
                    return self._replace(Kind.NAME, _joined(bare, kept), path)
                return _joined(bare, kept)
            bare, kept = self._without(found, bare, kept, path)
        return self._replace(Kind.SECRET, _joined(bare, kept), path)

    def _without(
        self, found: Iterable[Found], bare: str, kept: list[str], path: str
    ) -> tuple[str, list[str]]:
        """Return a text with gaps, and what is in them, after what was found became gaps, too."""
        parts: list[str] = []
        now: list[str] = []
        waiting = iter(kept)
        end = 0
        for one in found:
            before, within = bare[end : one.start], bare[one.start : one.end]
            now += islice(waiting, before.count(GAP))
            original = _joined(within, list(islice(waiting, within.count(GAP))))
            now.append(self._replace(one.kind, original, path))
            parts += [before, GAP]
            end = one.end
        return "".join([*parts, bare[end:]]), [*now, *waiting]

    def _apart(self, text: str, path: str) -> tuple[str, list[str]]:
        """Return a text with a gap for each of its placeholders, and the placeholders."""
        kept: list[str] = []

        def gap(found: re.Match[str]) -> str:
            written = self._kept_placeholder(found, path)
            if written is None:
                return found[0]
            kept.append(written)
            return GAP

        return _placeholder.sub(gap, text), kept

    def _kept_placeholder(self, found: re.Match[str], path: str) -> str | None:
        """Return a placeholder without what is personal in it, None where it is not understood."""
        root, rest = found["root"], found["rest"] or ""
        name = self._kept_name(root, rest, path)
        filters = [
            (one["name"], one["literal"], one[0]) for one in _filter.finditer(found["filters"])
        ]
        if name is None or any(one not in FILTERS for one, _, _ in filters):
            return None
        kept = [written for _, literal, written in filters if self._may_stay(literal, path)]
        if name == rest and len(kept) == len(filters):
            return found[0]
        piped = "".join(f" {written.strip()}" for written in kept)
        return f"{{{{{root}.{name}{piped}}}}}"

    def _kept_name(self, root: str, rest: str, path: str) -> str | None:
        if root in ("account", "workflow"):
            return rest if rest == "name" else None
        if root in INTEGRATIONS:
            return rest if INTEGRATIONS[root].knows(rest) else None
        if root == "values":
            return self.identifier(rest, "value", path) if _value_name.fullmatch(rest) else None
        if root == "contact" and rest:
            return self.field(rest, path)
        if root in ("data", "item", "steps") and rest:
            return self.field(f"{root}.{rest}", path).removeprefix(f"{root}.")
        return None

    def _may_stay(self, literal: str | None, path: str) -> bool:
        if not literal or (
            not found_in(literal, self.people, alone=True)
            and not is_personal_name(literal, self.people)
        ):
            return True
        self.replaced.append(Replacement(path, Kind.NAME, ""))
        return False

    def _replace(self, kind: Kind, text: str, path: str) -> str:
        name = self._new.get((kind, text)) or self._new_value(kind)
        self._new[kind, text] = name
        placeholder = f"{{{{values.{name}}}}}"
        self.replaced.append(Replacement(path, kind, placeholder))
        return placeholder

    def _new_value(self, kind: Kind) -> str:
        own = self._own_names()
        given = dict.fromkeys([*own, *self._new.values()])
        if len(given) < MOST_VALUES:
            return self._unused(kind)
        alike = [name for (other, _), name in self._new.items() if other is kind]
        if alike:
            return alike[-1]
        # Full of values of other kinds: one of them is asked for anew rather than nothing at all.
        last = list(given)[-1]
        self.emptied.add(last)
        return self.identifier(last, "value", "values") if last in own else last

    def _unused(self, stem: str) -> str:
        number = 1
        while f"{stem}_{number}" in self.taken:
            number += 1
        self.taken.add(f"{stem}_{number}")
        return f"{stem}_{number}"


def numbered_names(texts: Iterable[str]) -> set[str]:
    """Return what texts hold that looks like a name given here, such as `email_1`."""
    return {name for text in texts for name in _numbered.findall(text)}


def _joined(bare: str, kept: Iterable[str]) -> str:
    """Return a text with its gaps filled."""
    first, *rest = bare.split(GAP)
    return first + "".join(f"{one}{part}" for one, part in zip(kept, rest, strict=True))


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, without half a placeholder at its end."""
    cut = text[:most]
    for found in _placeholder.finditer(text):
        if found.start() < most < found.end():
            return text[: found.start()]
    return cut
