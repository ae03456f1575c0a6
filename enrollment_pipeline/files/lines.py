"""The physical lines of a file, read in blocks of constant size, each with its number.

A physical line ends with LF, CR or CRLF, also when that lies between quotes: this is the line that
an editor shows. Not here: what the lines mean (`rows`).
"""

import io
import re
from typing import BinaryIO, NamedTuple

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.encoding import Encoding

BLOCK_BYTES = 65_536
_HEAD_BLOCKS = 4
SURROGATE = re.compile("[\ud800-\udfff]")


class Block(NamedTuple):
    """Consecutive physical lines with their line ends.

    `line` is the number of the first. `whole` tells that the last line is complete; a block that
    is not whole holds one piece of a line longer than a block. `plain` tells that it is whole and
    holds no NUL and nothing unreadable, `quoted` that it holds a quote. `end` is the offset of the
    byte after it.
    """

    line: int
    lines: list[str]
    whole: bool
    plain: bool
    quoted: bool
    end: int


class LineSource:
    """Blocks of lines out of an open file, from a byte offset up to, not including, another.

    Each reader has its own place in the file, so several may read from one handle in turn. A block
    has at least 8 bytes, so that the longest character and a line end fit into it.
    """

    def __init__(
        self, handle: BinaryIO, encoding: Encoding, end: int, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._handle = handle
        self._encoding = encoding
        self._end = end
        self._block_bytes = block_bytes

    def head(self) -> "LineSource":
        """Return the source of about the first 256 KiB of lines, to see what the file is like.

        It ends where a line ends. When not even one line ends there, it is the whole source.
        """
        whole_until = at = self._encoding.mark_bytes
        for _ in range(_HEAD_BLOCKS):
            block = self.block(at, 1)
            if block is None:
                break
            at = block.end
            whole_until = at if block.whole else whole_until
        if whole_until == self._encoding.mark_bytes:
            return self
        return LineSource(self._handle, self._encoding, whole_until, block_bytes=self._block_bytes)

    def first(self) -> Block | None:
        """Return the first block, or None when there is no text."""
        return self.block(self._encoding.mark_bytes, 1)

    def after(self, block: Block) -> Block | None:
        """Return the block that follows, or None at the end."""
        return self.block(block.end, block.line + (len(block.lines) if block.whole else 0))

    def block(self, start: int, line: int) -> Block | None:
        """Return the block that begins at a byte offset, where line number `line` begins.

        Raises:
            InvalidFileError: The file changed since it was opened, or can no longer be read.
        """
        data = self._read(start, self._block_bytes)
        if not data:
            return None
        carriage_return = self._encoding.line_ends()[1]
        if data.endswith(carriage_return):
            # The LF of a CRLF may lie just behind; a line must not end between the two.
            data += self._read(start + len(data), self._encoding.unit_bytes)
        whole = start + len(data) >= self._end
        if not whole and (length := self._through_last_line_end(data)):
            whole = True
            data = data[:length]
        text, used = self._encoding.decode(data, final=whole)
        readable = self._encoding.flawless or not SURROGATE.search(text)
        return Block(
            line=line,
            lines=io.StringIO(text, newline="").readlines(),
            whole=whole,
            plain=whole and readable and "\0" not in text,
            quoted='"' in text,
            end=start + used,
        )

    def _through_last_line_end(self, data: bytes) -> int:
        unit = self._encoding.unit_bytes
        found = 0
        for line_end in self._encoding.line_ends():
            at = data.rfind(line_end)
            while at > 0 and at % unit:
                at = data.rfind(line_end, 0, at + unit - 1)
            if at >= 0 and at % unit == 0:
                found = max(found, at + unit)
        return found

    def _read(self, start: int, length: int) -> bytes:
        length = min(length, self._end - start)
        try:
            self._handle.seek(start)
            data = self._handle.read(length)
        except OSError as error:
            raise InvalidFileError(f"The file can no longer be read: {error.strerror}.") from error
        if len(data) != length:
            raise InvalidFileError(
                "The file became shorter while it was being read.",
                remedy="Wait until nothing writes to the file, then try again.",
            )
        return data


class Place(NamedTuple):
    """A place between two lines, or pieces of a line: in front of one of those of a block."""

    block: Block | None
    next_line: int


class LineCursor:
    """Goes through a source line by line, and can go back to an earlier place."""

    def __init__(self, source: LineSource) -> None:
        self._source = source
        self._block = source.first()
        self._index = 0

    @property
    def place(self) -> Place:
        """The present place, for `go_back`."""
        return Place(self._block, self._index)

    def go_back(self, place: Place) -> None:
        """Return to a place; what lies behind it is read again."""
        self._block, self._index = place

    def block(self) -> Block | None:
        """Return the block that the next line lies in, or None at the end."""
        if self._block and self._index >= len(self._block.lines):
            self._block = self._source.after(self._block)
            self._index = 0
        return self._block

    def rest(self, block: Block) -> tuple[int, list[str]]:
        """Return the unread lines of the present block and the number of the first of them."""
        return block.line + self._index, block.lines[self._index :] if self._index else block.lines

    def skip(self, lines: int) -> None:
        """Go on behind that many lines of the present block."""
        self._index += lines

    def within(self, block: Block) -> bool:
        """Return whether unread lines of this block come next."""
        return self._block is block and self._index < len(block.lines)

    def next(self) -> tuple[int, str] | None:
        """Return number and text of the next line, or next piece of a long one; None at the end."""
        block = self.block()
        if block is None:
            return None
        line, text = block.line + self._index, block.lines[self._index]
        self._index += 1
        return line, text
