"""Differences and merges of any two or three documents that hypothesis can think of."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.templates.changes import Change, Kind, apply, diff, merge, updates
from enrollment_pipeline_tests.templates.greetings import Document

_small = st.sampled_from(["", "a", "b", "x.y", 'say "hi"'])
_value = st.one_of(_small, st.booleans(), st.integers(0, 1), st.none(), st.just([1]), st.just({}))


def ids(changes: tuple[Change, ...]) -> list[str]:
    return [change.id for change in changes]


def _texts(names: str) -> st.SearchStrategy[Document]:
    return st.dictionaries(st.sampled_from(names.split()), _value, max_size=3)


def _list_of(key: str, names: list[str], fields: str) -> st.SearchStrategy[list[Document]]:
    return st.lists(
        st.builds(
            lambda name, type_, more: {key: name, "type": type_, **more},
            st.sampled_from(names),
            st.sampled_from(["send_email", "wait"]),
            _texts(fields),
        ),
        max_size=6,
        unique_by=lambda one: one[key],
    )


_steps = _list_of("id", ["order", "hello", "pause", "thanks", "one", "two", "three"], "body label")
_goals = _list_of("name", ["order", "A", "A.then", "then", 'The "best"', ""], "then event")
_trigger = st.fixed_dictionaries(
    {},
    optional={
        "event": _small,
        "parameters": _texts("tag time"),
        "filters": _value,
        "settings": _texts("active"),
    },
)
_documents: st.SearchStrategy[Document] = st.fixed_dictionaries(
    {"schema": st.just(1), "name": st.just("Same")},
    optional={
        "description": _value,
        "integrations": st.lists(_small, max_size=2),
        "values": _texts("shop_link code"),
        "trigger": st.none() | _trigger,
        "steps": _steps,
        "goals": _goals,
        "settings": st.none() | _texts("reenrollment target"),
        "own.key": _value,
    },
)


def written(value: Mapping[str, Any]) -> Any:
    """Return a document with its leaves told apart by type, too: 1 is another value than true."""
    if isinstance(value, dict):
        return {key: written(one) for key, one in value.items()}
    return [written(one) for one in value] if isinstance(value, list) else (type(value), value)


@given(_documents, _documents)
def test_all_changes_make_the_old_document_the_new_one(old: Document, new: Document) -> None:
    before, wanted = deepcopy(old), deepcopy(new)
    made = apply(old, diff(old, new), order_from=new)
    leaves = {"description", "integrations", "own.key"}
    assert {key: made.get(key) for key in leaves} == {key: new.get(key) for key in leaves}
    assert written(shaped(made)) == written(shaped(new))
    assert (old, new) == (before, wanted)


def shaped(document: Document) -> Document:
    """Return a document without the empty parts whose presence means nothing."""
    parts = dict(document)
    if isinstance(parts.get("trigger"), dict):
        parts["trigger"] = {
            key: part
            for key, part in parts["trigger"].items()
            if key not in ("parameters", "settings") or part
        }
    return {
        key: part
        for key, part in parts.items()
        if part or key not in ("values", "trigger", "settings", "steps", "goals")
    }


@given(_documents, _documents, st.data())
def test_any_subset_of_changes_makes_exactly_these(
    old: Document, new: Document, data: st.DataObject
) -> None:
    changes = diff(old, new)
    assert len(set(ids(changes))) == len(changes)
    subset = [change for change in changes if data.draw(st.booleans())]
    made = apply(old, data.draw(st.permutations(subset)), order_from=new)
    assert set(ids(diff(old, made))) == {change.id for change in subset}
    rest = {change.id for change in changes} - {change.id for change in subset}
    assert set(ids(diff(made, new))) <= rest | {"steps.order", "goals.order"}


@given(_documents, _documents)
def test_there_and_back_again_is_the_same_with_sides_swapped(old: Document, new: Document) -> None:
    swapped = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED}
    forth = {(one.id, one.kind) for one in diff(old, new)}
    back = {(one.id, swapped.get(one.kind, one.kind)) for one in diff(new, old)}
    assert forth == back


@given(_documents, _documents)
def test_a_clone_that_was_never_edited_becomes_the_newest(base: Document, newest: Document) -> None:
    every = updates(base, base, newest)
    assert not any(update.conflict for update in every)
    assert [update.change for update in every] == list(diff(base, newest))
    merged = merge(base, base, newest, [update.change.id for update in every])
    assert written(shaped(merged)) == written(shaped(newest))


@given(_documents, _documents, _documents, st.data())
def test_one_merged_update_leaves_everything_else_of_mine_alone(
    base: Document, mine: Document, newest: Document, data: st.DataObject
) -> None:
    every = updates(base, mine, newest)
    before = deepcopy((base, mine, newest))
    assert len({update.change.id for update in every}) == len(every)
    for update in every:
        merged = merge(base, mine, newest, [update.change.id])
        changed = diff(mine, merged)
        path = update.change.path
        assert changed
        assert all(one.path[: len(path)] == path for one in changed)
        assert all(
            (one.kind is Kind.MOVED) == (update.change.kind is Kind.MOVED) for one in changed
        )
        left = {
            one.change.id
            for one in updates(base, merged, newest)
            if one.change.kind is not Kind.MOVED or update.change.kind is Kind.MOVED
        }
        assert left <= {one.change.id for one in every} - {update.change.id}
    assert (base, mine, newest) == before


@given(_documents, _documents, _documents)
def test_all_merged_updates_leave_none_and_keep_what_only_mine_has(
    base: Document, mine: Document, newest: Document
) -> None:
    merged = merge(base, mine, newest, [one.change.id for one in updates(base, mine, newest)])
    # A step that has come back may stand beside an own one that mine has elsewhere.
    assert {one.change.kind for one in updates(base, merged, newest)} <= {Kind.MOVED}
    own = {one.id for one in diff(base, mine)} - {one.id for one in diff(base, newest)}
    kept = {one.id for one in diff(base, merged)}
    assert {one for one in own if one.startswith(("values.", "settings."))} <= kept
