"""Which encoding a file is in, and how a piece of its bytes becomes text.

Here belongs everything that knows bytes of text. Not here: where lines end (`lines`), and what a
file is when it is no text (`content`).

The whole file decides, not a sample: a file without a byte order mark is UTF-8 when all of it is,
and otherwise Windows-1252, which holds every printable character of Latin-1.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, NamedTuple

from enrollment_pipeline.errors import InvalidFileError

EncodingName = Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"]

_PIECE_BYTES = 1_048_576
# Bytes that Windows-1252 leaves undefined read as the control of that number, as browsers do.
_CP1252 = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
_MARKS: tuple[tuple[bytes, EncodingName], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Without a mark, UTF-16 shows in text that is at least partly ASCII: NUL in one half of every
# two bytes, hardly any in the other.
_FEWEST_NUL_IN_HALF = 0.3
_MOST_NUL_IN_OTHER_HALF = 0.02


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of one file read as text.

    `mark_bytes` is the length of the byte order mark; `unit_bytes` that of the smallest unit.
    `flawless` tells that the whole file decodes; otherwise unreadable bytes become surrogates.
    """

    name: EncodingName
    mark_bytes: int = 0
    flawless: bool = True

    @property
    def unit_bytes(self) -> int:
        """Bytes in one unit: a line end never begins between two of them."""
        return 2 if self.name.startswith("utf-16") else 1

    def decode(self, data: bytes, *, final: bool) -> tuple[str, int]:
        """Return the text and how many bytes were used.

        Fewer than all are used only when not `final` and the last character is cut off.
        """
        if self.name == "utf-8":
            return codecs.utf_8_decode(data, "surrogateescape", final)
        if self.name == "utf-16-le":
            return codecs.utf_16_le_decode(data, "surrogatepass", final)
        if self.name == "utf-16-be":
            return codecs.utf_16_be_decode(data, "surrogatepass", final)
        return codecs.charmap_decode(data, "strict", _CP1252)

    def line_ends(self) -> tuple[bytes, bytes]:
        """Return LF and CR in this encoding."""
        if self.name == "utf-16-le":
            return b"\n\x00", b"\r\x00"
        if self.name == "utf-16-be":
            return b"\x00\n", b"\x00\r"
        return b"\n", b"\r"


class Survey(NamedTuple):
    """What one pass over all bytes found; the file has `most_lines` physical lines or fewer."""

    encoding: Encoding
    most_lines: int


def announced_encoding(head: bytes) -> Encoding | None:
    """Return the encoding that a byte order mark or the pattern of UTF-16 gives away."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark))
    if len(head) < 4:
        return None
    first, second = head[0::2], head[1::2]
    if _nearly_only_ascii(letters=first, others=second):
        return Encoding("utf-16-le")
    if _nearly_only_ascii(letters=second, others=first):
        return Encoding("utf-16-be")
    return None


def _nearly_only_ascii(*, letters: bytes, others: bytes) -> bool:
    return others.count(0) >= _FEWEST_NUL_IN_HALF * len(others) and letters.count(
        0
    ) <= _MOST_NUL_IN_OTHER_HALF * len(letters)


def survey(handle: BinaryIO, size: int, announced: Encoding | None, name: str) -> Survey:
    """Read all bytes once, in pieces, and settle the encoding.

    Raises:
        InvalidFileError: A UTF-16 file has an odd number of bytes.
    """
    encoding = announced or Encoding("utf-8")
    if (size - encoding.mark_bytes) % encoding.unit_bytes:
        raise InvalidFileError(
            f'"{name}" is UTF-16 text that was cut off: it has an odd number of bytes.',
            remedy="Copy or export the file again.",
        )
    decoder = codecs.getincrementaldecoder(encoding.name)()
    flawless = True
    lines = 1
    for piece in _pieces(handle, size):
        lines += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
        flawless = flawless and _decodes(decoder, piece)
    flawless = flawless and _decodes(decoder, b"", final=True)
    if announced is None and not flawless:
        return Survey(Encoding("cp1252"), lines)
    return Survey(Encoding(encoding.name, encoding.mark_bytes, flawless), lines)


def _pieces(handle: BinaryIO, size: int) -> Iterator[bytes]:
    handle.seek(0)
    while size > 0 and (piece := handle.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
        yield piece


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True
