"""Lists of hosts: which may be reached, and which is sent a token; pure.

`HOST` is that host at the port of the scheme, 443 or 80; `HOST:PORT` is another port of it;
`*.HOST` is everything below it. So a port that nobody named is never reached by an oversight.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from enrollment_pipeline.web.urls import PORTS, Url, host_name

_port = re.compile(r"[0-9]{1,5}")
_numeric = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What a header's value can hold, but no blanks, of which a token has none.
_token = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Host:
    """One entry of a list; `port` None is the port of the scheme, `below` all that ends so."""

    name: str
    port: int | None = None
    below: bool = False

    def covers(self, url: Url) -> bool:
        """Return whether a URL leads to this host."""
        if url.port != (PORTS[url.scheme] if self.port is None else self.port):
            return False
        return url.host.endswith(f".{self.name}") if self.below else url.host == self.name


def read_hosts(text: str) -> tuple[Host, ...]:
    """Return the hosts of a list with commas.

    Raises:
        ValueError: an entry is no host, or there is none; the message is a sentence.
    """
    entries = [entry.strip() for entry in text.split(",")]
    found = tuple(_host(entry) for entry in entries if entry)
    if not found:
        raise ValueError("it names no host")
    return found


def covered(url: Url, hosts: Iterable[Host]) -> bool:
    """Return whether a URL leads to one of the hosts."""
    return any(host.covers(url) for host in hosts)


def read_tokens(text: str) -> dict[Host, str]:
    """Return the tokens of a JSON object `{"HOST[:PORT]": "TOKEN"}`.

    Raises:
        ValueError: it is none, or a host or a token cannot be used; the message repeats nothing of
            it, as host and token may have been mixed up.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, _Pairs):
        raise ValueError('it is no JSON object such as {"api.example.com": "TOKEN"}')
    found: dict[Host, str] = {}
    for number, (name, token) in enumerate(pairs, start=1):
        host = _host_of_token(name, number)
        if host in found:
            raise ValueError(f"host {number} is there already")
        if not isinstance(token, str) or not _token.fullmatch(token):
            raise ValueError(f"the token of host {number} must be a text of ASCII without blanks")
        found[host] = token
    return found


def token_for(url: Url, tokens: Mapping[Host, str]) -> str | None:
    """Return the token of the very host that a URL leads to."""
    # An entry with the scheme's port written out is the same host, and says so more closely.
    exact = Host(url.host, url.port)
    return tokens.get(exact, tokens.get(Host(url.host)) if url.port == PORTS[url.scheme] else None)


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object, also those whose name is there twice."""


def _host(entry: str) -> Host:
    below = entry.startswith("*.")
    rest = entry.removeprefix("*.")
    try:
        # Of an IPv6 address without brackets no part is a port.
        name, port = (rest, None) if rest.count(":") > 1 and "[" not in rest else _parted(rest)
        host = Host(host_name(name), port, below)
    except ValueError:
        raise ValueError(f"{entry!r} is no host such as api.example.com:8443") from None
    if below and (":" in host.name or _numeric.fullmatch(host.name.rpartition(".")[2])):
        raise ValueError(f"{entry!r}: there is nothing below an address")
    return host


def _parted(text: str) -> tuple[str, int | None]:
    end = text.rfind("]") + 1
    name, colon, port = text[end:].partition(":")
    if end and (name or not text.startswith("[")):
        raise ValueError
    if colon and not (_port.fullmatch(port) and 0 < int(port) < 65_536):
        raise ValueError
    return text[:end] or name, int(port) if colon else None


def _host_of_token(name: str, number: int) -> Host:
    try:
        host = _host(name.strip())
    except ValueError:
        host = None
    if host is None or host.below:
        raise ValueError(f"host {number} is not written as HOST or HOST:PORT")
    return host
