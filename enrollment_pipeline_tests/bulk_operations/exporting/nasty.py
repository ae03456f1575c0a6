"""Contacts with everything in them that a file format could trip over."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from enrollment_pipeline.storage.schema import contacts

TEXTS = st.sampled_from(
    [
        "",
        " ",
        "  spaces  ",
        '"',
        '""',
        "'",
        "''=1",
        "a,b;c|d\te",
        "line\nbreak",
        "carriage\rreturn",
        "both\r\n",
        "\\",
        "\\.",
        "\\N",
        "NULL",
        "=1+1",
        '=HYPERLINK("http://evil.example","x")',
        "+4930123456",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "{=1}",
        "<r>&</r>",
        "<r><t>x</t></r>",
        "http://example.com",
        "mailto:a@example.com",
        "0123",
        "1e5",
        "_x0041_",
        "\u0001",
        "\u0002\u0007\u001f\u007f",
        "\ufeffmark",
        "\ufffe\uffff",
        "\u2028\u2029\u0085",
        "🎉👩‍👩‍👧",
        "e\u0301 ß İ",
    ]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(-(10**6), 10**6, allow_nan=False).map(lambda number: round(number, 3))
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def tag_like(text: str) -> bool:
    """Tell whether it can be a tag that is found again where tags are joined."""
    return text != "" and "\U0010ffff" not in text


CONTACTS = st.lists(
    st.fixed_dictionaries(
        {
            "email": st.none() | st.just("address"),
            "first_name": st.none() | TEXTS,
            "last_name": st.none() | TEXTS,
            "phone": st.none() | TEXTS,
            "status": st.sampled_from(["active", "unsubscribed", "blocked", "bounced"]),
            "tags": st.lists(TEXTS.filter(tag_like), max_size=3, unique=True),
            "birthday": st.none() | st.dates(date(1000, 1, 1), date(9999, 12, 31)),
            "timezone": st.none() | st.just("Europe/Berlin"),
            "source": st.none() | TEXTS,
            "created_at": TIMES,
            "updated_at": TIMES,
            "custom_fields": st.dictionaries(
                NAMES.filter(lambda name: name != "external_id"), JSON_VALUES, max_size=3
            ),
        }
    ),
    max_size=4,
)

ALL_FIELDS = (
    "id",
    "email",
    "first_name",
    "last_name",
    "phone",
    "status",
    "tags",
    "birthday",
    "timezone",
    "source",
    "created_at",
    "updated_at",
    "custom_fields",
)


def put(
    connection: Connection, account_id: UUID, given: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Insert contacts, and return them as they are in the database, in the order of an export."""
    rows = [
        {
            "id": uuid4(),
            "account_id": account_id,
            **one,
            "email": one.get("email") and f"Nr-{number}@Example.com",
        }
        for number, one in enumerate(given)
    ]
    if rows:
        connection.execute(insert(contacts), rows)
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]))


def contact(number: int = 0, **values: Any) -> dict[str, Any]:
    """Return a contact to put: the one with a higher number comes later in an export."""
    return {
        "email": "address",
        "first_name": None,
        "last_name": None,
        "phone": None,
        "status": "active",
        "tags": [],
        "birthday": None,
        "timezone": None,
        "source": None,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "custom_fields": {},
        **values,
    }
