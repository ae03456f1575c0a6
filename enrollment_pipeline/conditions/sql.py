"""The SQL engine: a tree as one expression over the contacts table, for sets of any size.

Must answer as `evaluate` does, and like it never raises: every cast stands behind a test that the
text can be cast. No value is ever part of the SQL text; all are bound parameters.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from enrollment_pipeline.conditions.model import (
    CHANGES,
    Condition,
    FieldKind,
    Group,
    Logic,
    Operator,
    members,
)
from enrollment_pipeline.conditions.sql_values import INSTANT, SqlText, SqlTime, among, sql_text
from enrollment_pipeline.conditions.values import Duration, Wanted, fold, instant_of, number_of
from enrollment_pipeline.errors import InvalidConditionError

_Found = TypeVar("_Found")
_Bool = ColumnElement[bool]


def compile_filter(tree: Group, contacts: FromClause, *, now: datetime) -> ColumnElement[bool]:
    """Return the expression that is true for the rows a tree matches, and never null.

    `contacts` is the contacts table or an alias of it; `now` is aware. Neither the account nor
    deleted contacts are looked at: that is the caller's.

    Raises:
        InvalidConditionError: a condition asks for what a table of contacts does not hold.
    """
    return _group(tree, "", contacts, now)


def _group(group: Group, path: str, contacts: FromClause, now: datetime) -> _Bool:
    parts = [
        _group(member, at, contacts, now)
        if isinstance(member, Group)
        else _condition(member, at, contacts, now)
        for at, member in members(group, path)
    ]
    if not parts:
        return true()
    return or_(*parts) if group.logic is Logic.OR else and_(*parts)


def _condition(condition: Condition, path: str, contacts: FromClause, now: datetime) -> _Bool:
    field, operator = condition.field, condition.operator
    if operator in CHANGES or field.path[0] not in contacts.c:
        fault = f"{field.name} {operator} can be asked of an event, not of the contacts."
        raise InvalidConditionError(fault, details={"errors": [{"path": path, "message": fault}]})
    kept = contacts.c[field.path[0]]
    if operator in (Operator.IS_EMPTY, Operator.IS_NOT_EMPTY):
        empty = _is_empty(_inside(kept, field.path[1:]), field.kind)
        return empty if operator is Operator.IS_EMPTY else not_(empty)
    test = _TESTS[operator](condition, now)
    if field.kind is FieldKind.JSON:
        return test.of_json(_inside(kept, field.path[1:]))
    if field.kind is FieldKind.TEXTS:
        answer = test.of_texts(kept)
    else:
        key = contacts.c.email_key if field.folds else None
        answer = test.of_text(sql_text(kept, field.kind, key=key))
    return or_(kept.is_(None), answer) if test.missing else and_(kept.is_not(None), answer)


def _inside(kept: ColumnElement[Any], names: tuple[str, ...]) -> ColumnElement[Any]:
    """Go through objects by name; `->` with a text finds nothing in a list, as it should."""
    for name in names:
        kept = kept.op("->", return_type=JSONB())(literal(name, Text()))
    return kept


def _is_empty(kept: ColumnElement[Any], kind: FieldKind) -> _Bool:
    if kind is FieldKind.JSON:
        nothing: list[ColumnElement[Any]] = [
            literal_column(f"'{one}'::jsonb") for one in ("null", '""', "[]", "{}")
        ]
        return or_(kept.is_(None), and_(kept.is_not(None), kept.in_(nothing)))
    if kind is FieldKind.TEXTS:
        return func.coalesce(func.cardinality(kept), 0) == 0
    if kind is FieldKind.TEXT:
        return func.coalesce(kept, "") == ""
    return kept.is_(None)


@dataclass(frozen=True, slots=True)
class _Test:
    """What a condition asks, by the sort of value found; of a sort not listed it is `otherwise`.

    None of the expressions is ever null for a value that is not.
    """

    text: Callable[[SqlText], _Bool] | None = None
    number: Callable[[ColumnElement[Any]], _Bool] | None = None
    boolean: Callable[[ColumnElement[Any]], _Bool] | None = None
    array: Callable[[ColumnElement[Any]], _Bool] | None = None
    texts: Callable[[ColumnElement[Any]], _Bool] | None = None
    missing: bool = False
    otherwise: bool = False

    def of_json(self, found: ColumnElement[Any]) -> _Bool:
        """Ask a jsonb value, which may be null."""
        answers: dict[str, _Bool] = {"null": _constant(self.missing)}
        if self.text:
            text = found.op("#>>", return_type=Text())(literal_column("'{}'::text[]"))
            answers["string"] = self.text(SqlText(text))
        if self.number:
            answers["number"] = self.number(cast(found, Numeric()))
        if self.boolean:
            answers["boolean"] = self.boolean(cast(found, Boolean()))
        if self.array:
            answers["array"] = self.array(found)
        sort = func.coalesce(func.jsonb_typeof(found), "null")
        return case(answers, value=sort, else_=_constant(self.otherwise))

    def of_text(self, text: SqlText) -> _Bool:
        """Ask a text that is not null."""
        return self.text(text) if self.text else _constant(self.otherwise)

    def of_texts(self, texts: ColumnElement[Any]) -> _Bool:
        """Ask an array of texts that is not null."""
        if self.texts:
            return self.texts(texts)
        return self.array(func.to_jsonb(texts)) if self.array else _constant(self.otherwise)


def _scalar(wanted: Wanted) -> _Test:
    """Is the value one of these?"""
    numbers = wanted.numbers | wanted.text_numbers
    return _Test(
        text=lambda text: text.is_one_of(wanted),
        number=(lambda number: among(number, numbers, Numeric())) if numbers else None,
        boolean=(lambda found: among(found, wanted.booleans, Boolean()))
        if wanted.booleans
        else None,
    )


def _any_element(wanted: Wanted) -> _Test:
    """Is any element of the list one of these?"""

    def of_array(found: ColumnElement[Any]) -> _Bool:
        elements = (
            func.jsonb_array_elements(found).table_valued(column("value", JSONB())).render_derived()
        )
        hit = _scalar(wanted).of_json(elements.c.value)
        return exists(select(literal_column("1")).select_from(elements).where(hit))

    def of_texts(found: ColumnElement[Any]) -> _Bool:
        if wanted.folds or wanted.numbers:
            return of_array(func.to_jsonb(found))
        sought = literal(sorted(wanted.texts), ARRAY(Text()))
        how = "@>" if len(wanted.texts) == 1 else "&&"
        return found.op(how, is_comparison=True)(sought)

    return _Test(array=of_array, texts=of_texts)


def _membership(condition: Condition, _now: datetime) -> _Test:
    wanted = Wanted.of(condition.values, condition.field.kind, folds=condition.folds)
    elements = _any_element(wanted)
    return replace(_scalar(wanted), array=elements.array, texts=elements.texts)


def _sameness(condition: Condition, _now: datetime) -> _Test:
    kind, folds = condition.field.kind, condition.folds
    if not isinstance(condition.value, tuple):
        return _scalar(Wanted.of(condition.values, kind, folds=folds))
    in_order = [Wanted.of((one,), kind, folds=folds) for one in condition.value]
    return _Test(array=lambda found: _equal_in_order(found, in_order, folds=folds))


def _equal_in_order(found: ColumnElement[Any], in_order: list[Wanted], *, folds: bool) -> _Bool:
    """As many elements as wanted, and none that is not the wanted one of its place."""
    elements = func.jsonb_array_elements(found).table_valued(
        column("value", JSONB()), with_ordinality="place"
    )
    sought = func.unnest(
        literal([_only(one.texts) for one in in_order], ARRAY(Text())),
        literal([_only(one.numbers) for one in in_order], ARRAY(Numeric())),
        literal([_only(one.numbers | one.text_numbers) for one in in_order], ARRAY(Numeric())),
        literal([_only(one.booleans) for one in in_order], ARRAY(Boolean())),
    ).table_valued("text", "text_number", "number", "boolean", with_ordinality="place")
    first, second = elements.render_derived(), sought.render_derived()

    def of_text(text: SqlText) -> _Bool:
        return or_(
            func.coalesce(text.folded(folds=folds) == second.c.text, false()),
            func.coalesce(text.number() == second.c.text_number, false()),
        )

    same = _Test(
        text=of_text,
        number=lambda number: func.coalesce(number == second.c.number, false()),
        boolean=lambda boolean: func.coalesce(boolean == second.c.boolean, false()),
    ).of_json(first.c.value)
    other: Select[Any] = (
        select(literal_column("1"))
        .select_from(first.join(second, first.c.place == second.c.place))
        .where(not_(same))
    )
    return and_(func.jsonb_array_length(found) == len(in_order), not_(exists(other)))


def _part(condition: Condition, now: datetime) -> _Test:
    elements = replace(_membership(condition, now), text=None, number=None, boolean=None)
    part, folds = condition.value, condition.folds
    if not isinstance(part, str):
        return elements
    sought = literal(fold(part) if folds else part, Text())
    return replace(elements, text=lambda text: func.strpos(text.folded(folds=folds), sought) > 0)


def _affix(condition: Condition, _now: datetime) -> _Test:
    folds = condition.folds
    starts = condition.operator is Operator.STARTS_WITH
    texts = [fold(text) if folds else text for text in map(str, condition.values)]
    escaped = [text.translate(_WILDCARDS) for text in texts]
    patterns = [f"{text}%" if starts else f"%{text}" for text in escaped]
    return _Test(
        text=lambda text: text.folded(folds=folds).like(any_(literal(patterns, ARRAY(Text()))))
    )


_WILDCARDS = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


def _comparison(condition: Condition, _now: datetime) -> _Test:
    value, folds = condition.value, condition.folds
    sign = _SIGNS[condition.operator]
    number, instant = number_of(value), instant_of(value)

    def ordered(found: ColumnElement[Any], asked: ColumnElement[Any]) -> _Bool:
        return func.coalesce(found.op(sign, is_comparison=True)(asked), false())

    if number is not None:
        asked_number = literal(number, Numeric())
        return _Test(
            text=lambda text: ordered(text.number(), asked_number),
            number=lambda found: ordered(found, asked_number),
        )
    if instant is not None:
        return _Test(text=lambda text: _at(text, sign, instant))
    asked_text = literal(fold(str(value)) if folds else str(value), Text())
    return _Test(
        text=lambda text: and_(
            text.number().is_(None),
            text.moment().is_(None),
            ordered(text.folded(folds=folds).collate("C"), asked_text),
        )
    )


def _nearness(condition: Condition, now: datetime) -> _Test:
    duration = Duration.read(str(condition.value))
    if duration is None:
        return _Test()
    ahead = condition.operator is Operator.WITHIN_NEXT
    edge = duration.after(now, sign=1 if ahead else -1)
    first, last = (now, edge) if ahead else (edge, now)
    return _Test(text=lambda text: and_(_at(text, ">=", first), _at(text, "<=", last)))


def _at(text: SqlText, sign: str, instant: datetime) -> _Bool:
    moment = text.moment()
    compared = moment.op(sign, is_comparison=True)(literal(instant, INSTANT))
    return compared if isinstance(text, SqlTime) else func.coalesce(compared, false())


def _negated(of: Callable[[Condition, datetime], _Test]) -> Callable[[Condition, datetime], _Test]:
    """The opposite where the operator applies, and true for a missing value."""

    def build(condition: Condition, now: datetime) -> _Test:
        test = of(condition, now)
        return _Test(
            text=_opposite(test.text),
            number=_opposite(test.number),
            boolean=_opposite(test.boolean),
            array=_opposite(test.array),
            texts=_opposite(test.texts),
            missing=True,
            otherwise=of is not _part,
        )

    return build


def _opposite(answer: Callable[[_Found], _Bool] | None) -> Callable[[_Found], _Bool] | None:
    return None if answer is None else lambda found: not_(answer(found))


def _only(values: Collection[Any]) -> Any:
    return next(iter(values), None)


def _constant(answer: bool) -> _Bool:
    return true() if answer else false()


_SIGNS = {
    Operator.GREATER_THAN: ">",
    Operator.LESS_THAN: "<",
    Operator.GREATER_THAN_OR_EQUAL: ">=",
    Operator.LESS_THAN_OR_EQUAL: "<=",
}

_TESTS: dict[Operator, Callable[[Condition, datetime], _Test]] = {
    Operator.EQUALS: _sameness,
    Operator.NOT_EQUALS: _negated(_sameness),
    Operator.CONTAINS: _part,
    Operator.NOT_CONTAINS: _negated(_part),
    Operator.STARTS_WITH: _affix,
    Operator.ENDS_WITH: _affix,
    Operator.GREATER_THAN: _comparison,
    Operator.LESS_THAN: _comparison,
    Operator.GREATER_THAN_OR_EQUAL: _comparison,
    Operator.LESS_THAN_OR_EQUAL: _comparison,
    Operator.IN: _membership,
    Operator.NOT_IN: _negated(_membership),
    Operator.WITHIN_LAST: _nearness,
    Operator.WITHIN_NEXT: _nearness,
}
