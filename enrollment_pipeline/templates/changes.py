"""What differs between two workflow documents, and a document with some of it taken over.

Pure. Belongs here: the differences, each with a name that a user can choose it by, and the merge of
what a newer template changed into a workflow that was edited meanwhile. Does not belong here:
whether the outcome is a valid workflow (`workflows.validation`), and who may merge.

Steps go by their id and goals by their name, wherever they stand. Name, slug, version, category,
tags and the version of the format are no part of the comparison. A part without anything in it is
the same as none.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_NOT_COMPARED = frozenset({"schema", "name", "slug", "version", "category", "tags"})

# Which parts are compared piece by piece, and how deep; all others are compared as a whole.
_Shape = Mapping[str, Any]
_SHAPE: Final[_Shape] = {
    "values": {},
    "trigger": {"parameters": {}, "settings": {}},
    "settings": {},
}

_ITEMS = {"steps": "id", "goals": "name"}
"""The lists of a document, by the field that its entries are told apart by."""

_ORDER = "order"

Path = tuple[str, ...]


class Kind(StrEnum):
    """What became of a place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class _Nothing:
    """What stands where there is nothing; None may be a value."""


_NOTHING = _Nothing()


@dataclass(frozen=True, slots=True)
class Change:
    """A place of a document, and what stands there before and after; None where nothing does.

    Kind `moved`: the steps or goals that both documents have stand in another order; `before` and
    `after` are lists of their ids.
    """

    path: Path
    kind: Kind
    before: Any
    after: Any

    @property
    def id(self) -> str:
        """The path as a user spells it, such as `steps.hello.subject` or `steps.order`.

        A name that has a dot in it, or that could be taken for the order, is in quotes.
        """
        if self.kind is Kind.MOVED:
            return ".".join(self.path)
        return ".".join(
            _quoted(name, reserved=at == 1 and self.path[0] in _ITEMS)
            for at, name in enumerate(self.path)
        )


@dataclass(frozen=True, slots=True)
class Update:
    """What a newer template would change in a workflow that was made from an older one.

    `conflict`: the workflow was edited at the same place.
    """

    change: Change
    conflict: bool


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, in the order of the new document, what was removed where it stood.

    A step that has another type now is one change, as a whole.
    """
    return tuple(
        change
        for key in _all_keys(old, new)
        if key not in _NOT_COMPARED
        for change in _part_changes(
            (key,), old.get(key, _NOTHING), new.get(key, _NOTHING), _SHAPE.get(key)
        )
    )


def apply(
    base: Mapping[str, Any], changes: Iterable[Change], *, order_from: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document with these changes made, and nothing else.

    `order_from` is the document that the changes lead to. A step that is added comes after the one
    that precedes it there, as far as there is one, else first. Steps that `order_from` does not
    have stay at their places when others move.

    Raises:
        KeyError: a change is about a field of a step or goal that `base` does not have.
    """
    document: dict[str, Any] = deepcopy(dict(base))
    in_lists: dict[str, list[Change]] = {}
    for change in changes:
        if change.path[0] in _ITEMS and len(change.path) > 1:
            in_lists.setdefault(change.path[0], []).append(change)
        else:
            _write(document, change.path, _outcome(change))
    for name, of_list in in_lists.items():
        items = _items(document.get(name), name) or {}
        ordered = _changed_items(items, of_list, list(_items(order_from.get(name), name) or {}))
        if ordered:
            document[name] = ordered
        else:
            document.pop(name, None)
    return document


def updates(
    base: Mapping[str, Any], mine: Mapping[str, Any], newest: Mapping[str, Any]
) -> tuple[Update, ...]:
    """Return what changed from `base` to `newest` and is not in `mine` yet.

    `base` is the template that `mine` was made from. The changes lead from `mine` to `newest`.
    Where `mine` no longer has a step, or another one of that id, the step comes as a whole.
    """
    found: dict[str, Update] = {}
    for change in diff(base, newest):
        moved = change.kind is Kind.MOVED
        path = change.path if moved else _reach(change.path, mine, newest)
        read = _order_among(base, mine, newest) if moved else _read
        was, has, gets = (read(document, path) for document in (base, mine, newest))
        if not _same(has, gets):
            kind = Kind.MOVED if moved else _kind(has, gets)
            offered = Change(path, kind, _plain(has), _plain(gets))
            found.setdefault(offered.id, Update(offered, conflict=not _same(was, has)))
    return tuple(found.values())


def merge(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    newest: Mapping[str, Any],
    chosen: Collection[str],
) -> dict[str, Any]:
    """Return `mine` with the chosen updates, named by the ids of their changes.

    Raises:
        KeyError: the first of the chosen ids that no update has.
    """
    offered = {update.change.id: update.change for update in updates(base, mine, newest)}
    for one in chosen:
        if one not in offered:
            raise KeyError(one)
    taken = [change for name, change in offered.items() if name in chosen]
    return apply(mine, taken, order_from=newest)


# Comparing


def _part_changes(path: Path, old: object, new: object, shape: _Shape | None) -> Iterator[Change]:
    if len(path) == 1 and path[0] in _ITEMS:
        before, after = _items(old, path[0]), _items(new, path[0])
        if before is not None and after is not None:
            yield from _item_changes(path, before, after)
            return
    if shape is not None:
        old_fields, new_fields = _fields(old), _fields(new)
        if old_fields is not None and new_fields is not None:
            yield from _field_changes(path, old_fields, new_fields, shape)
            return
    if not _same(old, new):
        yield Change(path, _kind(old, new), _plain(old), _plain(new))


def _field_changes(
    path: Path, old: Mapping[str, Any], new: Mapping[str, Any], shape: _Shape
) -> Iterator[Change]:
    for key in _all_keys(old, new):
        yield from _part_changes(
            (*path, key), old.get(key, _NOTHING), new.get(key, _NOTHING), shape.get(key)
        )


def _item_changes(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in _all_keys(old, new):
        if key in old and key in new and _same_type(old[key], new[key]):
            yield from _field_changes((*path, key), old[key], new[key], {})
        else:
            yield from _part_changes(
                (*path, key), old.get(key, _NOTHING), new.get(key, _NOTHING), None
            )
    before, after = [key for key in old if key in new], [key for key in new if key in old]
    if before != after:
        yield Change((*path, _ORDER), Kind.MOVED, before, after)


def _all_keys(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """Return the keys as in the new document, those that it does not have where they stood."""
    known = set(keys := list(new))
    return _placed(keys, [key for key in old if key not in known], list(old))


def _placed(keys: Sequence[str], further: Iterable[str], source: Sequence[str]) -> list[str]:
    """Return the keys with further ones, each behind the nearest that precedes it in the source."""
    placed = list(keys)
    for key in further:
        before = source[: source.index(key)]
        preceding = next((one for one in reversed(before) if one in placed), None)
        placed.insert(0 if preceding is None else placed.index(preceding) + 1, key)
    return placed


def _kind(old: object, new: object) -> Kind:
    if old is _NOTHING:
        return Kind.ADDED
    return Kind.REMOVED if new is _NOTHING else Kind.CHANGED


def _same(one: object, other: object) -> bool:
    """Return whether two values are written the same in JSON: 1 is another value than true."""
    if one is _NOTHING or other is _NOTHING:
        return one is other
    return _written(one) == _written(other)


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _same_type(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _same(one.get("type", _NOTHING), other.get("type", _NOTHING))


def _plain(value: object) -> Any:
    return None if value is _NOTHING else deepcopy(value)


def _quoted(name: str, *, reserved: bool) -> str:
    if not name or "." in name or '"' in name or (reserved and name == _ORDER):
        return json.dumps(name, ensure_ascii=False)
    return name


# Reading


def _fields(value: object) -> Mapping[str, Any] | None:
    """Return the fields of a part; None if it is nothing that has fields."""
    if value is None or value is _NOTHING:
        return {}
    return value if isinstance(value, Mapping) else None


def _items(value: object, name: str) -> dict[str, Any] | None:
    """Return the entries of a list by what tells them apart; None if that does not do."""
    if value is None or value is _NOTHING:
        return {}
    if not isinstance(value, list | tuple):
        return None
    items: dict[str, Any] = {}
    for item in value:
        key = item.get(_ITEMS[name]) if isinstance(item, Mapping) else None
        if not isinstance(key, str) or key in items:
            return None
        items[key] = item
    return items


def _inner(value: object, path: Path) -> Mapping[str, Any] | None:
    """Return what a path can go on into; None where a document has no such thing there."""
    if len(path) == 1 and path[0] in _ITEMS:
        return _items(value, path[0])
    return _fields(value)


def _read(document: Mapping[str, Any], path: Path) -> Any:
    value: Any = document
    for at, key in enumerate(path):
        inner = value if at == 0 else _inner(value, path[:at])
        value = _NOTHING if inner is None else inner.get(key, _NOTHING)
    return value


def _reach(path: Path, mine: Mapping[str, Any], newest: Mapping[str, Any]) -> Path:
    """Return the place of a change as far as a document has it: it may only take the whole."""
    for length in range(1, len(path)):
        here = _read(mine, path[:length])
        if length == 2 and path[0] in _ITEMS:
            there = _read(newest, path[:length])
            if here is _NOTHING or not _same_type(here, there):
                return path[:length]
        elif _inner(here, path[:length]) is None:
            return path[:length]
    return path


def _order_among(*documents: Mapping[str, Any]) -> Callable[[Mapping[str, Any], Path], list[str]]:
    """Return a reader of the order, in a document, of what all the documents have."""

    def read(document: Mapping[str, Any], path: Path) -> list[str]:
        name = path[0]
        others = [_items(one.get(name), name) or {} for one in documents]
        here = _items(document.get(name), name) or {}
        return [key for key in here if all(key in other for other in others)]

    return read


# Writing


def _outcome(change: Change) -> Any:
    return _NOTHING if change.kind is Kind.REMOVED else deepcopy(change.after)


def _write(document: dict[str, Any], path: Path, value: object) -> None:
    """Write a value at its place, or clear it; a part that has nothing in it any more goes, too."""
    *way, last = path
    parts = [document]
    for key in way:
        inner = parts[-1].get(key)
        parts.append(dict(inner) if isinstance(inner, Mapping) else {})
    if value is _NOTHING:
        parts[-1].pop(last, None)
    else:
        parts[-1][last] = value
    for at in range(len(way), 0, -1):
        if parts[at]:
            parts[at - 1][way[at - 1]] = parts[at]
        else:
            parts[at - 1].pop(way[at - 1], None)


def _changed_items(
    items: Mapping[str, Any], changes: Sequence[Change], order: Sequence[str]
) -> list[Any]:
    """Return the entries of a list, changed and in their order."""
    changed = dict(items)
    keys = list(items)
    for change in changes:
        key = change.path[1]
        if change.kind is Kind.MOVED:
            keys = _moved(keys, order)
        elif len(change.path) > 2:
            if key not in changed:
                raise KeyError(change.id)
            _write(changed, change.path[1:], _outcome(change))
        elif change.kind is Kind.REMOVED:
            changed.pop(key, None)
        else:
            changed[key] = _outcome(change)
    kept = [key for key in keys if key in changed]
    added = [key for key in order if key in changed and key not in items]
    return [changed[key] for key in _placed(kept, added, order)]


def _moved(keys: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return the keys with those that the order has in its order, all others at their places."""
    following = iter([key for key in order if key in keys])
    return [next(following) if key in order else key for key in keys]
