"""What the columns of a contact file mean, by their names or as given."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reading.mapping import (
    ABSENT,
    TYPED_FIELDS,
    ColumnMapping,
    check_key,
    map_columns,
)
from enrollment_pipeline.errors import InvalidFileError, InvalidRequestError

ID = "0190a0b0-1234-7abc-8def-0123456789ab"


def mapped(
    columns: Sequence[str],
    *,
    sample: Sequence[Sequence[str]] = (),
    given: Mapping[str, str] | None = None,
    unmapped: Literal["keep", "drop"] = "keep",
    key: str = "email",
) -> ColumnMapping:
    return map_columns(columns, sample, given=given or {}, unmapped=unmapped, key=key)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("first name", "first_name"),
        ("First Name", "first_name"),
        ("firstname", "first_name"),
        ("FIRST_NAME", "first_name"),
        ("Last-Name", "last_name"),
        ("Phone", "phone"),
        ("mobile", "phone"),
        ("Tags", "tags"),
        ("Status", "status"),
        ("Birthday", "birthday"),
        ("Date of birth", "birthday"),
        ("Time Zone", "timezone"),
    ],
)
def test_a_header_is_known_however_it_is_spelled(header: str, field: str) -> None:
    mapping = mapped(["Email", header])

    assert getattr(mapping, field) == 1
    assert mapping.custom_fields == ()
    assert set(mapping.fields) == {"email", field}


def test_other_columns_become_custom_fields_under_their_own_names() -> None:
    mapping = mapped(["Company", "E-mail", "Lead Status", "Phone 2"])

    assert (mapping.key, mapping.email) == (1, 1)
    assert mapping.custom_fields == (("Company", 0), ("Lead Status", 2), ("Phone 2", 3))
    assert mapping.fields == ("email",)
    assert {getattr(mapping, field) for field in TYPED_FIELDS[1:]} == {ABSENT}


def test_other_columns_are_dropped_when_asked_and_their_names_told() -> None:
    mapping = mapped(
        ["Company", "email", "custom_fields.plan", "phone", "external_id"],
        unmapped="drop",
        given={"external_id": "external_id"},
    )

    assert mapping.dropped == ("Company",)
    assert mapping.custom_fields == (("plan", 2), ("external_id", 4))
    assert mapping.roles == ("dropped", "text", "typed", "text", "typed")


def test_of_two_columns_for_one_field_the_second_is_a_custom_field() -> None:
    mapping = mapped(["Email", "Mobile", "Phone"])

    assert mapping.phone == 1
    assert mapping.custom_fields == (("Phone", 2),)


def test_what_is_given_comes_before_names_and_the_other_names_count_all_the_same() -> None:
    mapping = mapped(
        ["email", "Phone", "Handy", "City", "Note", "Vorname", "last name"],
        given={
            "Handy": "phone",
            "City": "custom_fields.home.town",
            "Note": "-",
            "Vorname": " first_name ",
        },
    )

    assert (mapping.phone, mapping.first_name, mapping.last_name) == (2, 5, 6)
    assert mapping.custom_fields == (("Phone", 1), ("home.town", 3))
    assert mapping.dropped == ("Note",)


def test_a_given_name_counts_as_it_stands_and_otherwise_without_case_and_spaces() -> None:
    assert mapped(["email", "Name", "NAME"], given={"NAME": "last_name"}).last_name == 2
    assert mapped(["email", "Sur Name"], given={"surNAME ": "first_name"}).first_name == 1
    with pytest.raises(InvalidRequestError, match='could mean "Name" and "NAME"'):
        mapped(["email", "Name", "NAME"], given={"name": "last_name"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"Telefone": "phone"}, '"Telefone", which the file does not have. Did you mean "Telefon"'),
        ({"xyzzy": "phone"}, '"xyzzy", which the file does not have.'),
        ({"City": "frist_name"}, 'no field "frist_name". Did you mean "first_name"'),
        ({"City": "created_at"}, 'there is no field "created_at"'),
        ({"City": "custom_fields"}, 'names no field: write "custom_fields." and a name'),
        ({"City": "custom_fields."}, "the name of a custom field has 1 to 200 characters"),
        ({"City": "custom_fields." + "x" * 201}, "has 1 to 200 characters"),
        ({"City": "custom_fields.a\0"}, "has 1 to 200 characters"),
        ({"City": "phone", "Telefon": "phone"}, '"City" and "Telefon" are both phone.'),
        ({"City": "phone", "city": "tags"}, 'names the column "city" twice'),
        ({"City": "contact_id"}, "mapped to contact_id, but the rows are known by something"),
        ({"City": "custom_fields.Telefon"}, "both custom_fields.Telefon."),
    ],
)
def test_a_mapping_that_cannot_be_followed_is_refused_by_name(
    given: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        mapped(["email", "City", "Telefon"], given=given)

    assert told in refused.value.message


def test_two_columns_of_one_custom_field_are_refused_until_one_is_dropped() -> None:
    columns = ["email", "plan", "custom_fields.plan"]
    with pytest.raises(InvalidRequestError, match="plan") as refused:
        mapped(columns)

    assert '"-"' in refused.value.advice
    assert mapped(columns, given={"plan": "-"}).custom_fields == (("plan", 2),)


def test_a_column_of_addresses_is_found_without_a_header() -> None:
    assert mapped(["column_1", "column_2"], sample=[("Ann", "ann@example.com")]).email == 1


def test_addresses_that_are_no_key_are_found_by_name_only() -> None:
    sample = [(ID, "boss@example.com", "ann@example.com")]

    named = mapped(["id", "Manager", "E-mail"], sample=sample, key="contact_id")
    unnamed = mapped(["id", "Manager", "Other"], sample=sample, key="contact_id")

    assert (named.key, named.email) == (0, 2)
    assert (unnamed.key, unnamed.email) == (0, ABSENT)
    assert unnamed.custom_fields == (("Manager", 1), ("Other", 2))
    # The id is no custom field, and none of the fields that a blank cell clears.
    assert named.fields == ("email",)
    assert named.custom_fields == (("Manager", 1),)


@pytest.mark.parametrize(
    ("columns", "key", "place"),
    [
        (["Ref", "email"], "custom_fields.Ref", 0),
        (["ref no", "email"], "custom_fields.Ref_No", 0),
        (["Ref", "custom_fields.Ref", "email"], "custom_fields.Ref", 1),
        (["External ID", "email"], "external_id", 0),
        (["email", "external_id"], "custom_fields.external_id", 1),
    ],
)
def test_a_custom_field_can_be_the_key_and_is_a_custom_field_all_the_same(
    columns: list[str], key: str, place: int
) -> None:
    name = check_key(key).removeprefix("custom_fields.")

    mapping = mapped(columns, key=key, unmapped="drop")

    assert mapping.key == place
    assert mapping.custom_fields == ((name, place),)


def test_the_key_may_stand_in_the_column_of_all_custom_fields() -> None:
    mapping = mapped(["email", "custom_fields"], key="external_id")

    assert (mapping.key, mapping.bundle) == (ABSENT, 1)


@pytest.mark.parametrize(
    ("key", "message", "remedy"),
    [
        ("email", "No column holds e-mail addresses; the columns are: Name, City", '"email"'),
        ("contact_id", "No column holds contact ids; the columns are: Name, C", '"contact_id"'),
        ("custom_fields.ref", 'the custom field "ref"; the columns are: Name', '"ref" or "custom_'),
        ("external_id", 'the custom field "external_id"', '"custom_fields.external_id"'),
    ],
)
def test_a_file_without_the_key_is_refused_with_the_names_that_would_do(
    key: str, message: str, remedy: str
) -> None:
    with pytest.raises(InvalidFileError) as refused:
        mapped(["Name", "City"], sample=[("Ann", "Bonn")], key=key)

    assert message in refused.value.message
    assert remedy in refused.value.advice


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("e-mail", 'Did you mean "email"'),
        ("phone", 'there is no field "phone"'),
        ("custom_fields", "write"),
        ("", "there is no field"),
        ("custom_fields. ", "1 to 200 characters"),
    ],
)
def test_rows_are_known_by_nothing_else(key: str, told: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_key(key)

    assert told in refused.value.message


def test_what_our_exports_write_and_nobody_can_set_is_no_custom_field() -> None:
    own = ["id", "email", "created_at", "updated_at", "source", "email_key", "custom_fields"]
    mapping = mapped(own, sample=[(ID, "a@example.com", "", "", "", "", "{}")])

    assert mapping.dropped == ("id", "created_at", "updated_at", "source", "email_key")
    assert mapping.custom_fields == ()
    assert mapping.bundle == 6


def test_such_columns_of_others_are_kept() -> None:
    mapping = mapped(["id", "email", "Source", "Created At"], sample=[("17", "a@b.de", "", "")])

    assert mapping.custom_fields == (("id", 0), ("Source", 2), ("Created At", 3))


def test_a_name_that_no_database_stores_is_refused() -> None:
    with pytest.raises(InvalidFileError, match="no text can hold"):
        mapped(["email", "a\0b"])


names = st.lists(st.text(max_size=8) | st.sampled_from([*TYPED_FIELDS, "id", "custom_fields.a"]))


@generated(
    names=names,
    unmapped=st.sampled_from(["keep", "drop"]),
    key=st.sampled_from(["email", "contact_id", "external_id", "custom_fields.a"]),
    given=st.dictionaries(st.text(max_size=3), st.sampled_from(["", "tags", "custom_fields.a"])),
)
def test_every_column_has_one_meaning_or_the_file_is_refused(
    names: list[str], unmapped: Any, key: str, given: dict[str, str]
) -> None:
    columns = list(dict.fromkeys([*names, "email"]))
    try:
        mapping = mapped(columns, unmapped=unmapped, key=key, given=given)
    except (InvalidFileError, InvalidRequestError):
        return
    places = [getattr(mapping, field) for field in (*TYPED_FIELDS, "bundle")]
    used = [place for place in places if place != ABSENT]
    used += [place for _, place in mapping.custom_fields]
    if key == "contact_id":
        used.append(mapping.key)
    dropped = [columns.index(name) for name in mapping.dropped]
    assert sorted([*used, *dropped]) == list(range(len(columns)))
    assert len({name for name, _ in mapping.custom_fields}) == len(mapping.custom_fields)
