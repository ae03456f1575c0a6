"""What a request must hold beside its fields, and what is kept of it until it is done.

Belongs here: checks that need nothing but the request and its files, and the document that the row
keeps. Does not belong here: who may, how many, and when (`submission`).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from enrollment_pipeline.bulk_operations.exporting.fields import check_fields
from enrollment_pipeline.bulk_operations.reading.dates import check_date_format
from enrollment_pipeline.bulk_operations.reading.mapping import check_key, map_columns
from enrollment_pipeline.bulk_operations.reading.sources import open_source
from enrollment_pipeline.bulk_operations.request import (
    DeleteRequest,
    ExportRequest,
    ImportRequest,
    OperationRequest,
    UpdateRequest,
)
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidRequestError, PathNotAllowedError
from enrollment_pipeline.records import Account
from enrollment_pipeline.selections.keeping import (
    chunks_of,
    size_of_file,
    storable_name,
    to_be_kept,
)
from enrollment_pipeline.settings import Settings

# As JSON writes the character.
_NUL = "\\u0000"
# Kept in columns of their own, or beside the row.
_ELSEWHERE = {"timing", "request_id", "requested_by", "path", "selection", "operation_id", "job_id"}


def kept_request(
    settings: Settings, account: Account, request: OperationRequest
) -> tuple[dict[str, Any], Iterable[bytes]]:
    """Return what the row keeps of a request, and the input that is kept beside it.

    Raises:
        RefusedError: the request cannot be accepted.
    """
    document = request.model_dump(mode="json", exclude=_ELSEWHERE)
    _require_storable(document)
    match request:
        case ImportRequest():
            return _kept_import(settings, account, request, document)
        case ExportRequest():
            if request.filter is not None:
                parse(request.filter)
            if request.fields:
                check_fields(request.fields)
        case UpdateRequest() | DeleteRequest():
            if request.timing.recurring and request.selection.type != "filter":
                raise InvalidRequestError(
                    "What recurs selects by a filter: ids and files would be the same each time.",
                    remedy="Give a filter, or leave out when it recurs.",
                )
            selection, content = to_be_kept(request.selection, account.settings, most=None)
            return {**document, "selection": selection}, content
    return document, ()


def _require_storable(document: dict[str, Any]) -> None:
    """Refuse texts and numbers that no JSON of the database holds."""
    try:
        written = json.dumps(document, ensure_ascii=False, allow_nan=False)
        written.encode("utf-8")
    except ValueError:
        written = _NUL
    if _NUL in written:
        raise InvalidRequestError(
            "The request holds a character or a number that cannot be kept.",
            remedy="Give texts as UTF-8, without NUL characters, and numbers that are finite.",
        )


def _kept_import(
    settings: Settings, account: Account, request: ImportRequest, document: dict[str, Any]
) -> tuple[dict[str, Any], Iterable[bytes]]:
    document["key"] = key = check_key(request.key)
    if request.date_format is not None:
        try:
            check_date_format(request.date_format)
        except ValueError as error:
            raise InvalidRequestError(f"date_format: {error}") from None
    if key == "contact_id" and request.mode != "update":
        raise InvalidRequestError(
            "A contact id names a contact that is there, so rows known by it can only update.",
            remedy="Let the mode be update, or the key be email.",
        )
    document["file"] = storable_name(request.path)
    if request.timing.recurring:
        # Each firing reads the file as it is then.
        document["path"] = _below_data(settings, request.path)
        return document, ()
    document["bytes"] = size_of_file(request.path, account.settings.csv_max_bytes)
    _require_columns(account, request, key)
    return document, chunks_of(request.path)


def _require_columns(account: Account, request: ImportRequest, key: str) -> None:
    """Read the head of the file: what is wrong with its columns is told before anything is kept."""
    limits = account.settings
    with open_source(
        request.path,
        format=request.format,
        max_bytes=limits.csv_max_bytes,
        max_lines=limits.csv_max_lines,
        name=storable_name(request.path),
    ) as source:
        map_columns(
            source.columns,
            source.sample,
            given=request.mapping,
            unmapped=request.unmapped,
            key=key,
        )


def _below_data(settings: Settings, path: Path) -> str:
    """Return a path relative to the data folder, where other machines find it too.

    Raises:
        PathNotAllowedError: it lies outside.
    """
    data = settings.data.resolve()
    resolved = (path if path.is_absolute() else Path.cwd() / path).resolve()
    if not resolved.is_relative_to(data):
        raise PathNotAllowedError(
            f"What recurs reads a file below the data folder {data}, and {path.name!r} is not."
        )
    return str(resolved.relative_to(data))
