"""What an operation changed as a table that code looks at: a row for each field of each contact.

Belongs here: the frame, and what is counted in it. A frame holds what contacts hold; what is told
outside of the product are counts. Does not belong here: what a difference is (`differences`).
"""

from collections.abc import Iterable

import polars as pl

from enrollment_pipeline.bulk_operations.differences import differences
from enrollment_pipeline.bulk_operations.store.changes import ChangeRecord

_SCHEMA = {"contact_id": pl.String, "field": pl.String, "created": pl.Boolean}


def changes_frame(changes: Iterable[ChangeRecord]) -> pl.DataFrame:
    """Return the fields that differ, in long form: contact_id, field, created."""
    rows = [
        (str(change.contact_id), one.field, change.before is None)
        for change in changes
        for one in differences(change.before, change.after)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def changed_fields(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Return in how many contacts each field differs, the most frequent first.

    Each is `{"field", "contacts", "of_them_new"}`.
    """
    return (
        frame.group_by("field")
        .agg(
            pl.col("contact_id").n_unique().alias("contacts"),
            pl.col("contact_id").filter(pl.col("created")).n_unique().alias("of_them_new"),
        )
        .sort(["contacts", "field"], descending=[True, False])
        .to_dicts()
    )
