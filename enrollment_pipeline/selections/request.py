"""Which contacts a request means, validated at the edge: exactly one of ids, filter, file."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from enrollment_pipeline.work.fields import Part

IdentifierColumn = Literal["auto", "email", "contact_id"]


class ManualSelection(Part):
    """Contacts by id. Duplicates are folded; an id nobody has ends as CONTACT_NOT_FOUND."""

    type: Literal["manual"] = "manual"
    contact_ids: tuple[Annotated[str, StringConstraints(max_length=320)], ...]


class FilterSelection(Part):
    """All contacts that match a condition tree (docs/conditions.md)."""

    type: Literal["filter"] = "filter"
    filter: dict[str, Any]


class CsvSelection(Part):
    """The contacts that the rows of a CSV file identify (docs/csv-files.md)."""

    type: Literal["csv"] = "csv"
    path: Path
    identifier_column: IdentifierColumn = "auto"


Selection = Annotated[ManualSelection | FilterSelection | CsvSelection, Field(discriminator="type")]
