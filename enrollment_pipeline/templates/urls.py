"""Addresses of pages in a text, and which of them are nobody else's business.

Pure. `https://example.com/blog/post` may be read by everybody. An address with a user's name or
password, with a parameter that is an id or a key, or with a long random part may not.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from enrollment_pipeline.templates.secret_texts import is_random, names_a_credential

_url = re.compile(
    r"(?<![A-Za-z0-9])(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:|tel:|sms:)[^\s<>\"'`]+"
    r"|(?<![\w.@-])(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}/[^\s<>\"'`]*"
    r"|(?<![\w.@-])(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}\?[\w.-]{1,50}=[^\s<>\"'`]*",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}*|\u00bb\u201d\u2019\u3002\uff0c"
_scheme = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?", re.IGNORECASE)
_next_parameter = re.compile(r"&amp;|[&;?#]")
_names_an_id = re.compile(
    r"(?:^|[_.-])(?:id|uid|uuid|guid|pid|cid|sid|code|hash|sig|sign|user|username|login|member"
    r"|customer|client|contact|lead|account|subscriber|recipient|e?mail|mail|phone|mobile|tel|name"
    r"|firstname|lastname|invite|ticket|otp|nonce|state|apikey|access|pw|magic|reset|h|t|k)$"
    r"|[a-z](?:Id|Uid|Hash|Sig|Code)$",
    re.IGNORECASE,
)
_says_nothing = re.compile(r"[\W_]*|true|false|yes|no", re.IGNORECASE)

_RANDOM_IN_PATH = 10
_RANDOM_IN_QUERY = 8


def urls_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where addresses begin and end, in order; the stop of the sentence is none of them."""
    for found in _url.finditer(text):
        address = found[0].rstrip(_TRAILING)
        yield found.start(), found.start() + len(address)


def is_private(address: str) -> bool:
    """Return whether an address by itself leads to somebody, or opens something."""
    bare = _scheme.sub("", address, count=1)
    host, _, rest = _parted(bare)
    if "@" in host:
        return True
    path, *parameters = _next_parameter.split(rest)
    if is_random(unquote(path), _RANDOM_IN_PATH) or is_random(host, _RANDOM_IN_PATH):
        return True
    return any(_is_telling(*one.partition("=")) for one in parameters)


def readable(address: str) -> str:
    """Return an address as words, for those who look for names and numbers in it."""
    return re.sub(r"[/?&=#;:_+-]+", " ", unquote(address))


def _parted(bare: str) -> tuple[str, str, str]:
    """Return the host with all that is before it, the sign behind it, and the rest."""
    end = re.search(r"[/?#]", bare)
    if end is None:
        return bare, "", ""
    return bare[: end.start()], end[0], bare[end.start() :]


def _is_telling(name: str, is_given: str, value: str) -> bool:
    value = unquote(value)
    if _says_nothing.fullmatch(value):
        return is_random(unquote(name), _RANDOM_IN_QUERY)
    if _names_an_id.search(name) or names_a_credential(name):
        return bool(is_given)
    return is_random(value, _RANDOM_IN_QUERY) or is_random(unquote(name), _RANDOM_IN_QUERY)
