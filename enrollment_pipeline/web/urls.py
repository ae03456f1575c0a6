"""URLs as a request is made from them: read once, so that all who look at one see the same; pure.

Belongs here: how hosts are written, in whatever letter case or script, and what no request can be
made from. Does not belong here: which hosts may be reached (`hosts`, `addresses`).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from unicodedata import normalize
from urllib.parse import quote, urlsplit

LONGEST_URL = 8_000
"""In characters; servers take at least so many by RFC 9110."""

PORTS = {"http": 80, "https": 443}

# Blanks, control characters and halves of characters, and what browsers take for a slash.
_cannot_be_sent = re.compile(r"[\0-\x20\\\x7f-\xa0\ud800-\udfff]")
_host_name = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in its plainest form: `host` in lower case and ASCII, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """The host, and the port where it is not the scheme's own; never holds a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def read_url(text: str) -> Url:
    """Return the URL that a text is; characters beyond ASCII are encoded, a fragment is left out.

    Raises:
        ValueError: no request can be made from it. The message continues "The URL ..." and does
            not repeat it, as it may hold a secret.
    """
    if len(text) > LONGEST_URL:
        raise ValueError(f"is longer than {LONGEST_URL:,} characters")
    if _cannot_be_sent.search(text):
        raise ValueError("holds a blank, a backslash or a control character")
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("does not begin with https:// or http://")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("has no host that can be used, or a port that is none") from None
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password")
    if port == 0:
        raise ValueError("has a port that is none")
    try:
        host = host_name(parts.hostname or "")
    except ValueError as error:
        raise ValueError(f"has a host that {error}") from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, host, port or PORTS[parts.scheme], _encoded(target))


def host_name(text: str) -> str:
    """Return the one way to write a host: lower case, ASCII, without a last dot and brackets.

    Raises:
        ValueError: it is none. The message continues "a host that ...".
    """
    if ":" in text:
        return _ipv6(text)
    name = (text if text.isascii() else _ascii(text)).lower().removesuffix(".")
    if not _host_name.fullmatch(name):
        raise ValueError("is neither a name nor an address")
    return name


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text[1:-1] if text[0] + text[-1] == "[]" else text)
    except ValueError:
        raise ValueError("is neither a name nor an address") from None
    if address.scope_id is not None:
        raise ValueError("is an address of one network interface")
    return address.compressed


def _ascii(text: str) -> str:
    """Return the name as the name servers know it (IDNA)."""
    plain = normalize("NFKC", text).lower().replace("\u3002", ".")
    try:
        found = plain.encode("idna").decode("ascii")
        again = found.encode("ascii").decode("idna")
    except UnicodeError:
        raise ValueError("is neither a name nor an address") from None
    # Python knows the older of two standards, which makes another name out of a few letters.
    if again != plain:
        raise ValueError("must be written in its ASCII form (xn--)")
    return found


def _encoded(target: str) -> str:
    return "".join(one if one.isascii() else quote(one) for one in target)
