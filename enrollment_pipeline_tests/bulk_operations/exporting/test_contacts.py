"""What is in an export: exactly the account's contacts, whatever their fields hold."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from sqlalchemy import text

from enrollment_pipeline.bulk_operations.exporting.contacts import Exported
from enrollment_pipeline.bulk_operations.exporting.fields import DEFAULT_FIELDS
from enrollment_pipeline.bulk_operations.exporting.writing import StoppedError
from enrollment_pipeline.bulk_operations.reading.mapping import map_columns
from enrollment_pipeline.bulk_operations.reading.rows import ContactRow, Reading, read_row
from enrollment_pipeline.bulk_operations.reading.sources import open_source
from enrollment_pipeline.files.formulas import unescape_formula
from enrollment_pipeline.files.identifiers import trim
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.bulk_operations.exporting.conftest import Export
from enrollment_pipeline_tests.bulk_operations.exporting.nasty import (
    ALL_FIELDS,
    CONTACTS,
    JSON_VALUES,
    NAMES,
    contact,
    put,
)

FORMATS = ("csv", "jsonl", "parquet", "xlsx")
TEXTS = ("email", "first_name", "last_name", "phone", "status", "timezone", "source")

rolled_back = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cells_of(exported: Exported) -> list[list[str]]:
    """Return the cells of a CSV file, its header first."""
    with exported.files["contacts"].open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def objects_of(exported: Exported) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    lines = exported.files["contacts"].read_bytes().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def frame_of(exported: Exported) -> polars.DataFrame:
    """Return the table of a Parquet file."""
    return polars.read_parquet(exported.files["contacts"])


def sheet_of(exported: Exported) -> list[list[Any]]:
    """Return the values of the first sheet, its header first; no cell is a formula or a link."""
    book = openpyxl.load_workbook(exported.files["contacts"])
    rows = list(book.worksheets[0].iter_rows())
    assert all(cell.data_type != "f" and cell.hyperlink is None for row in rows for cell in row)
    return [
        [unescape(cell.value) if cell.data_type == "s" else cell.value for cell in row]
        for row in rows
    ]


def joined(tags: list[str]) -> str:
    return ";".join(tag.translate(str.maketrans("|;", ",,")) for tag in tags)


@rolled_back
@given(CONTACTS)
def test_a_csv_file_holds_every_field_of_every_contact(
    database: Database, account: Account, export: Export, given: list[dict[str, Any]]
) -> None:
    with database.rehearsal(account.id) as connection:
        expected = put(connection, account.id, given)
        exported = export(connection, "csv")

    header, *rows = cells_of(exported)
    assert header == list(ALL_FIELDS)
    assert exported.rows == len(rows) == len(expected)
    for cells, row in zip(rows, expected, strict=True):
        assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)
        found = dict(zip(header, map(unescape_formula, cells), strict=True))
        assert json.loads(found.pop("custom_fields")) == row["custom_fields"]
        assert found == {
            **{name: row[name] or "" for name in TEXTS},
            "id": str(row["id"]),
            "tags": joined(row["tags"]),
            "birthday": row["birthday"].isoformat() if row["birthday"] else "",
            "created_at": row["created_at"].isoformat(timespec="microseconds"),
            "updated_at": row["updated_at"].isoformat(timespec="microseconds"),
        }


@rolled_back
@given(CONTACTS)
def test_json_lines_hold_every_field_of_every_contact_with_its_type(
    database: Database, account: Account, export: Export, given: list[dict[str, Any]]
) -> None:
    with database.rehearsal(account.id) as connection:
        expected = put(connection, account.id, given)
        exported = export(connection, "jsonl")

    found = objects_of(exported)
    assert exported.rows == len(found)
    assert all(list(one) == list(ALL_FIELDS) for one in found)
    assert found == [
        {
            **{name: row[name] for name in (*TEXTS, "tags", "custom_fields")},
            "id": str(row["id"]),
            "birthday": row["birthday"].isoformat() if row["birthday"] else None,
            "created_at": row["created_at"].isoformat(timespec="microseconds"),
            "updated_at": row["updated_at"].isoformat(timespec="microseconds"),
        }
        for row in expected
    ]


@rolled_back
@given(CONTACTS)
def test_a_parquet_file_holds_every_field_of_every_contact_with_its_type(
    database: Database, account: Account, export: Export, given: list[dict[str, Any]]
) -> None:
    with database.rehearsal(account.id) as connection:
        expected = put(connection, account.id, given)
        exported = export(connection, "parquet")

    frame = frame_of(exported)
    assert frame.columns == list(ALL_FIELDS)
    assert frame.schema["tags"] == polars.List(polars.String)
    assert frame.schema["birthday"] == polars.Date
    assert frame.schema["created_at"] == polars.Datetime("us", "UTC")
    found = frame.to_dicts()
    assert exported.rows == len(found)
    assert [json.loads(row.pop("custom_fields")) for row in found] == [
        row["custom_fields"] for row in expected
    ]
    names = (*TEXTS, "tags", "birthday", "created_at", "updated_at")
    assert found == [
        {**{name: row[name] for name in names}, "id": str(row["id"])} for row in expected
    ]


@rolled_back
@given(CONTACTS)
def test_a_spreadsheet_holds_every_field_of_every_contact_and_no_formula(
    database: Database, account: Account, export: Export, given: list[dict[str, Any]]
) -> None:
    with database.rehearsal(account.id) as connection:
        expected = put(connection, account.id, given)
        exported = export(connection, "xlsx")

    header, *rows = sheet_of(exported)
    assert header == list(ALL_FIELDS)
    assert exported.rows == len(rows) == len(expected)
    for cells, row in zip(rows, expected, strict=True):
        found = dict(zip(header, cells, strict=True))
        assert json.loads(found["custom_fields"]) == row["custom_fields"]
        assert {name: found[name] or "" for name in TEXTS} == {
            name: row[name] or "" for name in TEXTS
        }
        assert found["id"] == str(row["id"])
        assert (found["tags"] or "") == joined(row["tags"])
        if row["birthday"] and row["birthday"].year < 1900:
            assert found["birthday"] == row["birthday"].isoformat()
        else:
            assert (found["birthday"] and found["birthday"].date()) == row["birthday"]
        for name in ("created_at", "updated_at"):
            apart = found[name].replace(tzinfo=UTC) - row[name]
            assert abs(apart) <= timedelta(milliseconds=1)


@rolled_back
@given(NAMES, JSON_VALUES, st.booleans())
def test_a_single_custom_field_is_a_column_of_its_own(
    database: Database, account: Account, export: Export, name: str, value: Any, there: bool
) -> None:
    fields = (f"custom_fields.{name}", "email")
    known = {} if name == "external_id" or not there else {name: value}
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(custom_fields=known)])
        (line,) = objects_of(export(connection, "jsonl", fields=fields))
        header, (cell, _) = cells_of(export(connection, "csv", fields=fields))
        frame = frame_of(export(connection, "parquet", fields=fields))

    found = known.get(name)
    assert line == {fields[0]: found, "email": "Nr-0@Example.com"}
    assert unescape_formula(header[0]) == frame.columns[0] == fields[0]
    for shown in (unescape_formula(cell) or None, frame.rows()[0][0]):
        if isinstance(found, str):
            assert (shown or "") == found
        else:
            assert json.loads(shown or "null") == found


@pytest.mark.parametrize("name", ["\r", "\n", ",", '"', '"a"', "=1", " ", "é"])
def test_the_header_of_a_csv_file_holds_any_name(
    database: Database, account: Account, export: Export, name: str
) -> None:
    fields = (f"custom_fields.{name}", "email")

    with database.account(account.id) as connection:
        assert cells_of(export(connection, "csv", fields=fields)) == [list(fields)]


def test_nothing_is_a_blank_cell_and_an_empty_text_a_quoted_one(
    database: Database, account: Account, export: Export
) -> None:
    fields = ("first_name", "last_name", "tags", "birthday", "custom_fields.plan")
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(last_name="")])
        exported = export(connection, "csv", fields=fields)

    lines = exported.files["contacts"].read_bytes()
    assert lines == b'first_name,last_name,tags,birthday,custom_fields.plan\n,"",,,\n'


def test_a_row_of_one_blank_cell_is_a_row(
    database: Database, account: Account, export: Export
) -> None:
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(), contact(1, phone="1"), contact(2)])
        exported = export(connection, "csv", fields=("phone",))

    assert cells_of(exported) == [["phone"], [""], ["1"], [""]]


@pytest.mark.parametrize("form", FORMATS)
def test_chosen_fields_come_in_the_chosen_order(
    database: Database, account: Account, export: Export, form: str
) -> None:
    fields = ("status", "custom_fields.plan", "email")
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(custom_fields={"plan": "pro", "other": 1})])
        exported = export(connection, form, fields=fields)

    found = {
        "csv": cells_of,
        "jsonl": lambda file: (
            [[*one] for one in objects_of(file)] + [[*one.values()] for one in objects_of(file)]
        ),
        "parquet": lambda file: [frame_of(file).columns, *map(list, frame_of(file).rows())],
        "xlsx": sheet_of,
    }[form](exported)
    assert found == [list(fields), ["active", "pro", "Nr-0@Example.com"]]


@pytest.mark.parametrize("form", FORMATS)
def test_as_many_fields_as_a_request_may_name_can_be_exported(
    database: Database, account: Account, export: Export, form: str
) -> None:
    # The last one with a longer name than a column of the database can have.
    names = [f"{'long' * 25 * (number // 199)}{number}" for number in range(200)]
    fields = tuple(f"custom_fields.{name}" for name in names)
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(custom_fields={name: name for name in names})])
        exported = export(connection, form, fields=fields)

    found = {
        "csv": lambda file: dict(zip(*cells_of(file), strict=True)),
        "jsonl": lambda file: objects_of(file)[0],
        "parquet": lambda file: frame_of(file).to_dicts()[0],
        "xlsx": lambda file: dict(zip(*sheet_of(file), strict=True)),
    }[form](exported)
    assert found == dict(zip(fields, names, strict=True))


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_without_contacts_is_a_file_without_rows(
    database: Database, account: Account, export: Export, form: str
) -> None:
    with database.account(account.id) as connection:
        exported = export(connection, form, fields=("email", "tags"))

    assert exported.rows == 0
    found = {
        "csv": cells_of,
        "jsonl": objects_of,
        "parquet": lambda file: [frame_of(file).columns, *frame_of(file).rows()],
        "xlsx": sheet_of,
    }[form](exported)
    assert found == ([] if form == "jsonl" else [["email", "tags"]])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "condition",
    [
        None,
        {"field": "first_name", "operator": "equals", "value": "Ann"},
        {
            "logic": "OR",
            "conditions": [
                {"field": "email", "operator": "contains", "value": "@"},
                {"field": "tags", "operator": "is_empty"},
            ],
        },
    ],
)
def test_another_account_s_contacts_are_never_exported(
    database: Database,
    account: Account,
    make_account: Callable[..., Account],
    add_contacts: Callable[..., list[UUID]],
    export: Export,
    form: str,
    condition: dict[str, Any] | None,
) -> None:
    mine = add_contacts(account, 3, first_name="Ann")
    add_contacts(make_account(), 5, first_name="Ann")

    with database.account(account.id) as connection:
        exported = export(connection, form, condition=condition, fields=("id", "email"))

    assert exported.rows == 3
    found = {
        "csv": lambda file: [row[0] for row in cells_of(file)[1:]],
        "jsonl": lambda file: [one["id"] for one in objects_of(file)],
        "parquet": lambda file: frame_of(file)["id"].to_list(),
        "xlsx": lambda file: [row[0] for row in sheet_of(file)[1:]],
    }[form](exported)
    assert sorted(found) == sorted(map(str, mine))


@pytest.mark.parametrize("form", FORMATS)
def test_the_account_is_asked_for_beside_row_level_security(
    owner: Any,
    account: Account,
    make_account: Callable[..., Account],
    add_contacts: Callable[..., list[UUID]],
    export: Export,
    form: str,
) -> None:
    add_contacts(account, 1)
    add_contacts(make_account(), 1)

    # The owner sees the rows of all accounts.
    with owner.begin() as connection:
        assert export(connection, form).rows == 1


def test_deleted_contacts_and_those_that_do_not_match_are_left_out(
    database: Database, account: Account, export: Export
) -> None:
    nasty = "%s' \\ %(x)s ; drop"
    with database.rehearsal(account.id) as connection:
        put(
            connection,
            account.id,
            [
                contact(0, first_name=nasty, deleted_at=None),
                contact(1, first_name=nasty, deleted_at=datetime(2026, 2, 1, tzinfo=UTC)),
                contact(2, first_name="other", deleted_at=None),
            ],
        )
        condition = {"field": "first_name", "operator": "equals", "value": nasty}
        exported = export(connection, "csv", condition=condition, fields=("first_name",))

    assert cells_of(exported) == [["first_name"], [nasty]]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("in", ["a", "b"], ["a", "b"]),
        ("not_in", ["a", "b"], ["c", "", "7"]),
        ("starts_with", "a", ["a"]),
        ("greater_than", 5, ["7"]),
        ("is_empty", None, [""]),
    ],
)
def test_conditions_choose_as_they_do_elsewhere(
    database: Database,
    account: Account,
    export: Export,
    operator: str,
    value: Any,
    expected: list[str],
) -> None:
    names = ["a", "b", "c", "", "7"]
    condition = {"field": "custom_fields.x", "operator": operator}
    if value is not None:
        condition["value"] = value
    with database.rehearsal(account.id) as connection:
        given = [contact(i, custom_fields={"x": name}) for i, name in enumerate(names)]
        put(connection, account.id, given)
        exported = export(connection, "csv", condition=condition, fields=("custom_fields.x", "id"))

    assert [row[0] for row in cells_of(exported)[1:]] == expected


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_tags_that_look_like_two_are_told_of(
    database: Database, account: Account, export: Export, form: str
) -> None:
    with database.rehearsal(account.id) as connection:
        put(
            connection,
            account.id,
            [contact(0, tags=["a;b", "c"]), contact(1, tags=["d|e", "f;"]), contact(2, tags=["g"])],
        )
        exported = export(connection, form, fields=("tags",))
        found = {"csv": cells_of, "xlsx": sheet_of}[form](exported)
        without = export(connection, form, fields=("email",))

    assert [row[0] for row in found[1:]] == ["a,b;c", "d,e;f,", "g"]
    (note,) = exported.notes
    assert note.startswith("2 contacts have a tag with a semicolon or a bar in it")
    assert without.notes == ()


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_formats_with_lists_hold_all_tags_as_they_are(
    database: Database, account: Account, export: Export, form: str
) -> None:
    with database.rehearsal(account.id) as connection:
        put(connection, account.id, [contact(tags=["a;b", "c|d"])])
        exported = export(connection, form, fields=("tags",))

    found = {"jsonl": objects_of, "parquet": lambda file: frame_of(file).to_dicts()}[form](exported)
    assert found == [{"tags": ["a;b", "c|d"]}]
    assert exported.notes == ()


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@rolled_back
@given(given=CONTACTS)
def test_an_export_is_imported_again_as_the_same_contacts(
    database: Database, account: Account, export: Export, given: list[dict[str, Any]], form: str
) -> None:
    for one in given:
        # As an import could have made them: what it would refuse or read as nothing is left out.
        one["tags"] = [tag for tag in map(trim, one["tags"]) if tag and not {*tag} & {*";|"}]
        one["birthday"] = one["birthday"] and one["birthday"].replace(year=1992)
        one["email"] = "address"
        one["custom_fields"] = {
            name: value
            for name, value in one["custom_fields"].items()
            if isinstance(value, str | int) and trim(name)
        }
    with database.rehearsal(account.id) as connection:
        expected = put(connection, account.id, given)
        exported = export(connection, form, fields=DEFAULT_FIELDS)

    found = read(exported.files["contacts"]) if expected else []
    assert [row._replace(line=0, custom_fields=None) for row in found] == [
        ContactRow(
            0,
            row["email"],
            row["email"],
            trim(row["first_name"] or "") or None,
            trim(row["last_name"] or "") or None,
            trim(row["phone"] or "") or None,
            row["status"],
            list(dict.fromkeys(row["tags"])) or None,
            row["birthday"] and row["birthday"].isoformat(),
            row["timezone"],
            None,
        )
        for row in expected
    ]
    assert [json.loads(row.custom_fields or "{}") for row in found] == [
        row["custom_fields"] for row in expected
    ]


def read(path: Path) -> list[ContactRow]:
    """Return what an import reads from a file."""
    rows = []
    with open_source(path, max_bytes=10**9, max_lines=10**9, name=path.name) as source:
        mapping = map_columns(source.columns, source.sample, given={}, unmapped="keep", key="email")
        for batch in source.batches():
            rows += [read_row(row, mapping, Reading("email")) for row in batch]
    assert all(isinstance(row, ContactRow) for row in rows), rows
    return rows


@pytest.mark.parametrize("form", FORMATS)
def test_a_stopped_export_leaves_nothing_behind(
    database: Database,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    export: Export,
    tmp_path: Path,
    form: str,
) -> None:
    # Two pieces and more of any format.
    add_contacts(account, 2_500, custom_fields={"text": "x" * 1_000})
    looks: list[int] = []

    def stop() -> bool:
        looks.append(1)
        return len(looks) == 3

    with pytest.raises(StoppedError), database.rehearsal(account.id) as connection:
        export(connection, form, stop=stop)

    assert len(looks) == 3
    assert list((tmp_path / "exports").iterdir()) == []
    with database.account(account.id) as connection:
        assert export(connection, form).rows == 2_500


@pytest.mark.parametrize("form", FORMATS)
def test_the_file_has_its_name_only_when_it_is_whole(
    database: Database,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    export: Export,
    tmp_path: Path,
    form: str,
) -> None:
    add_contacts(account, 2_500, custom_fields={"text": "x" * 1_000})
    seen = set()

    def stop() -> bool:
        seen.update(path.name for path in (tmp_path / "exports").glob("contacts.*"))
        return False

    with database.account(account.id) as connection:
        exported = export(connection, form, stop=stop)

    assert all(name.endswith(".partial") for name in seen)
    assert exported.files == {"contacts": tmp_path / "exports" / f"contacts.{form}"}
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [f"contacts.{form}"]


def test_the_transaction_may_wait_for_the_file_and_no_other_may(
    database: Database, account: Account, export: Export
) -> None:
    limit = text("select setting::int from pg_settings where name = :name")
    name = {"name": "idle_in_transaction_session_timeout"}
    with database.account(account.id) as connection:
        before = connection.execute(limit, name).scalar_one()
        export(connection, "csv")
        within = connection.execute(limit, name).scalar_one()
    with database.account(account.id) as connection:
        after = connection.execute(limit, name).scalar_one()

    assert (within, after) == (0, before)
    assert before > 0


def test_the_rows_come_in_the_order_of_their_creation(
    database: Database, account: Account, export: Export
) -> None:
    with database.rehearsal(account.id) as connection:
        given = [contact(number % 3, first_name=str(number)) for number in range(30)]
        expected = put(connection, account.id, given)
        exported = export(connection, "csv", fields=("id",))

    assert [row[0] for row in cells_of(exported)[1:]] == [str(row["id"]) for row in expected]
