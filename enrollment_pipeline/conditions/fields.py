"""Which fields a condition may name, and how a name is found or its likely spelling suggested.

The catalogue of contacts is here; a capability that knows more fields (an event's payload) builds
its own from it. What a field's value means belongs to `values`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.model import Field, FieldKind

MAX_NAMES = 12
"""Names in one dotted path."""

MAX_PATH = 300
"""Characters in one dotted path."""

_ALIKE = 70.0
"""From which rapidfuzz ratio on a known name is worth suggesting."""

_SENSITIVE = ("email", "phone", "mobile")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that a document may use.

    `known` maps a dotted path to its kind; `containers` are the objects below which any path is
    allowed (`custom_fields`, or an event's `data.answers`). `changes` allows the operators that
    compare with the record as it was before. `folded` names the fields whose letter case never
    counts. A kind of `JSON` is right for whatever is not a column.
    """

    known: Mapping[str, FieldKind]
    containers: tuple[str, ...] = ()
    changes: bool = False
    folded: frozenset[str] = frozenset({"email"})

    def find(self, name: str) -> Field | None:
        """Return the field of that name, or None if there is none; `refusal` then says why."""
        if len(name) > MAX_PATH:
            return None
        path = tuple(name.split("."))
        kind = self.known.get(name)
        if kind is None:
            if not self._container_of(name) or not all(path) or len(path) > MAX_NAMES:
                return None
            kind = FieldKind.JSON
        sensitive = any(word in path[-1].lower() for word in _SENSITIVE)
        return Field(path=path, kind=kind, folds=name in self.folded, sensitive=sensitive)

    def refusal(self, name: str) -> str:
        """Return the sentence that says why a name is no field and what was probably meant."""
        if len(name) > MAX_PATH:
            return f"the field's name is longer than {MAX_PATH} characters."
        first, _, rest = name.partition(".")
        within = name if name in self.containers else self._container_of(name)
        if within:
            if name.count(".") >= MAX_NAMES:
                return f"a field's path has at most {MAX_NAMES} names, joined by dots."
            return f'{show(name)} names no field: write "{within}." and a name: "{within}.plan".'
        sentence = f"there is no field {show(name)}."
        meant = _likeliest(name, self.known)
        container = _likeliest(first, [one for one in self.containers if "." not in one])
        if container and (rest or not meant):
            return f'{sentence} Did you mean "{container}.{rest or "plan"}"?'
        if meant:
            return f'{sentence} Did you mean "{meant}"?'
        known = f"The fields are {', '.join(sorted(self.known))}"
        below = "".join(
            f", and {show(f'{one}.{name}')} for one of {one}" for one in self.containers
        )
        return f"{sentence} {known}{below}."

    def _container_of(self, name: str) -> str | None:
        return next((one for one in self.containers if name.startswith(f"{one}.")), None)


def _likeliest(name: str, spellings: Iterable[str]) -> str | None:
    found = process.extractOne(
        name.lower(), list(spellings), scorer=fuzz.WRatio, score_cutoff=_ALIKE
    )
    return found[0] if found else None


CONTACT_FIELDS = Fields(
    known={
        "id": FieldKind.IDENTIFIER,
        "email": FieldKind.TEXT,
        "first_name": FieldKind.TEXT,
        "last_name": FieldKind.TEXT,
        "phone": FieldKind.TEXT,
        "status": FieldKind.TEXT,
        "tags": FieldKind.TEXTS,
        "birthday": FieldKind.DATE,
        "timezone": FieldKind.TEXT,
        "source": FieldKind.TEXT,
        "created_at": FieldKind.INSTANT,
        "updated_at": FieldKind.INSTANT,
    },
    containers=("custom_fields",),
)
"""What can be asked of a contact (spec "Conditions")."""
