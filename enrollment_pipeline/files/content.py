"""What a file seems to be when it is no text table, judged by its first and last bytes.

Here belong signatures and the advice that goes with each. Not here: how text is decoded
(`encoding`), or whether a text makes a good table (`table`).
"""

from typing import NamedTuple

from enrollment_pipeline.errors import InvalidFileError

SAMPLE_BYTES = 65_536
_CONTROL_BYTES = bytes({*range(1, 9), *range(14, 27), *range(28, 32), 127})
# Random or compressed bytes hold about 10 % of them; text holds a stray one at most.
_MOST_CONTROL_SHARE = 0.05
_FEWEST_CONTROL_BYTES = 4
# One NUL in a row is that row's trouble; a file made of them is no text.
_MOST_NUL_SHARE = 0.3

_SAVE_AS_CSV = (
    'Open it in a spreadsheet program, choose "Save as" and "CSV UTF-8", and use that file.'
)
_UNPACK = "Unpack it and use the CSV file inside."
_EXPORT = "Export the table as CSV (UTF-8, one header line) and use that file."


class Foreign(NamedTuple):
    """What a file seems to be instead of a text table."""

    kind: str
    remedy: str


_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign("an old Excel workbook (.xls)", _SAVE_AS_CSV)),
    (b"%PDF-", Foreign("a PDF document", _EXPORT)),
    (b"\x1f\x8b", Foreign("a gzip archive", _UNPACK)),
    (b"\xfd7zXZ\x00", Foreign("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Foreign("a zstd archive", _UNPACK)),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", _UNPACK)),
    (b"SQLite format 3\x00", Foreign("an SQLite database", _EXPORT)),
    (b"\x89PNG\r\n\x1a\n", Foreign("a PNG picture", _EXPORT)),
    (b"\xff\xd8\xff", Foreign("a JPEG picture", _EXPORT)),
    (b"\xff\xfe\x00\x00", Foreign("a UTF-32 text", "Save it as UTF-8 and use that file.")),
    (b"\x00\x00\xfe\xff", Foreign("a UTF-32 text", "Save it as UTF-8 and use that file.")),
)
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MARKUP = (
    (b"<!doctype html", Foreign("a web page", _EXPORT)),
    (b"<html", Foreign("a web page", _EXPORT)),
    (b"<?xml", Foreign("an XML document", _SAVE_AS_CSV)),
)


def foreign_content(head: bytes, tail: bytes) -> Foreign | None:
    """Return what the file seems to be, or None when it may be a text table.

    `head` is up to `SAMPLE_BYTES` from the start, `tail` the last four bytes.
    """
    if head.startswith(_ZIP_SIGNATURES):
        return _inside_zip(head)
    if head.startswith(b"PAR1") and tail == b"PAR1":
        return Foreign("a Parquet file", _EXPORT)
    for signature, foreign in _SIGNATURES:
        if head.startswith(signature):
            return foreign
    opening = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, foreign in _MARKUP:
        if opening.startswith(signature):
            return foreign
    return None


def _inside_zip(head: bytes) -> Foreign:
    if b"opendocument.spreadsheet" in head:
        return Foreign("an OpenDocument spreadsheet (.ods)", _SAVE_AS_CSV)
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return Foreign("an Excel workbook (.xlsx)", _SAVE_AS_CSV)
    return Foreign("a ZIP archive", _UNPACK)


def is_binary(head: bytes) -> bool:
    """Return whether bytes in a one-byte encoding or UTF-8 are too full of controls to be text."""
    if head.count(0) > _MOST_NUL_SHARE * len(head):
        return True
    controls = len(head) - len(head.translate(None, _CONTROL_BYTES))
    return controls >= _FEWEST_CONTROL_BYTES and controls > _MOST_CONTROL_SHARE * len(head)


def refuse_foreign(name: str, head: bytes, tail: bytes) -> None:
    """Raise `InvalidFileError` when the file is evidently something else than a text table."""
    foreign = foreign_content(head, tail)
    if foreign:
        raise InvalidFileError(
            f'"{name}" is {foreign.kind}, not a CSV file.', remedy=foreign.remedy
        )
