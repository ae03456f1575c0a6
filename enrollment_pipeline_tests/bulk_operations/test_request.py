"""What may be asked for: refused at the edge, each problem with its path."""

import math
from typing import Any

import pytest

from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.errors import InvalidRequestError

EVERYBODY = {"type": "filter", "filter": {}}


def update(**changes: Any) -> dict[str, Any]:
    return {"type": "update", "selection": EVERYBODY, "changes": changes}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"type": "destroy"}, "type"),
        ({"type": "export", "colour": "red"}, "colour"),
        ({"type": "import", "path": "x.csv", "mode": "merge"}, "mode"),
        ({"type": "import", "path": "x.csv", "max_change_share": 1.5}, "max_change_share"),
        ({"type": "rollback", "operation_id": "x"}, "operation_id"),
        ({"type": "withdrawal"}, "job_id"),
        (update(), "nothing is changed"),
        (update(set={"shoe_size": "9"}), "'shoe_size' cannot be set"),
        (update(set={"email": "a@example.com"}), "'email' cannot be set"),
        (update(set={"custom_fields.": "9"}), "cannot be set"),
        (update(set={"custom_fields.a\0": "9"}), "cannot be set"),
        (update(set={"custom_fields.a": "\ud800"}), "no text can hold"),
        (update(set={"phone": "\0"}), "no text can hold"),
        (update(set={"phone": 49}), "phone takes a text"),
        (update(set={"custom_fields.a": math.nan}), "JSON"),
        (update(set={"custom_fields.external_id": "x" * 321}), "320"),
        (update(set={"birthday": "03/04/2026"}), "not a date"),
        (update(set={"timezone": "Mars/Base"}), "time zone"),
        (update(add_tags=["a"], remove_tags=["a"]), "added and removed"),
        (update(status="gone"), "status"),
        ({"type": "export", "timing": {"scheduled_at": 5, "cron": "* * * * *"}}, "timing"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_says_what_it_is(
    document: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_request(document)

    assert told in refusal.value.message
    assert refusal.value.details["errors"]


def test_an_update_takes_what_it_may_set() -> None:
    request = parse_request(
        update(
            set={"first_name": None, "birthday": "1990-04-03", "custom_fields.score": 1.5},
            add_tags=["a", "a"],
        )
    )

    assert request.changes.add_tags == ("a",)  # type: ignore[union-attr]
