"""Keys, tokens and passwords in a text.

Pure. A secret is known by how its vendor begins it, by the word before it ("password: ..."), or by
looking like nothing that anybody would write: letters and digits at random.
"""

import re
from collections.abc import Iterator

_VALUE = r"[A-Za-z0-9._~+/=-]"

_by_vendor = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk)[_-](?=[\w-]{0,80}\d)[\w-]{8,}"
    r"|(?:sk|pk|rk)_(?:live|test)_\w{4,}"
    r"|(?:whsec|shpat|shpss|shpca|shppa|gh[pousr]|github_pat|npm|dop_v1|rzp_live|rzp_test|hf|lin_api)"
    r"_\w{10,}"
    r"|(?:glpat|xox[a-z]|xapp|pypi|sq0[a-z]{3})-[\w-]{8,}"
    r"|SG\.[\w.-]{10,}"
    r"|ya29\.[\w.-]{10,}"
    r"|(?:AKIA|ASIA|AROA)[A-Z0-9]{12,}"
    r"|AIza[\w-]{20,}"
    r"|AC[0-9a-f]{32}"
    r"|eyJ[\w-]{5,}(?:\.[\w-]*){0,2}"
    r")"
)
_by_scheme = re.compile(rf"\b(?:bearer|basic)\s+({_VALUE}{{8,}})", re.IGNORECASE)
_STRONG = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|passwor[dt]|kennwort|contrase[ñn]a|mot\sde\spasse|senha"
    r"|(?:client|app|shared|webhook)?[_\s-]?secret|(?:api|access|private|secret|auth|license)[_\s-]?"
    r"(?:key|token)|apikey|credentials?)"
)
_WEAK = r"(?:key|token|pass|pin|auth|authorization|sig|signature|session|sid|cookie)"
_sign = re.compile(r"[:=]>?")
_before_sign = re.compile(
    rf"(?:(?P<strong>{_STRONG})|(?<![A-Za-z]){_WEAK})[\"']?(?:\sis)?\s{{0,3}}$", re.IGNORECASE
)
_after_sign = re.compile(
    r"""\s{0,3}(?:"(?P<double>[^"\n]{1,200})"|'(?P<single>[^'\n]{1,200})'"""
    r"""|["']?(?P<bare>[^\s<>"',;\ufdd0]{3,}))"""
)
_FURTHEST = 30
_block = re.compile(r"-----BEGIN [A-Z ]{3,40}-----.*?(?:-----END [A-Z ]{3,40}-----|\Z)", re.DOTALL)
_social_security = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_iban = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_token = re.compile(r"[A-Za-z0-9_+/=.~-]{12,}")
_credential_name = re.compile(
    _STRONG + r"|(?:^|[_\s.-])(?:key|token|pin|auth|authorization|signature|session|cookie)$",
    re.IGNORECASE,
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

_uuid = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_apart = re.compile(r"[_+/=.~\s-]+")
_plain = re.compile(r"\d{1,8}|\d{8}T\d{4,6}Z?|\d{1,4}[A-Za-z]{1,4}")
"""What people write between hyphens besides words: a number, or a word and a number."""

_hump = re.compile(r"[A-Z]+[a-z]*|[a-z]+")
_digits_behind = re.compile(r"\d{1,4}$")
_SHORTEST_HUMP = 4
_LONGEST_SHOUT = 18
_LONGEST_WORD = 40
_no_latin = re.compile(r"[^\W\d_A-Za-z]")


def secrets_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets begin and end, in no order; they may lie upon each other."""
    for start, end in _candidates(text):
        # The stop of the sentence.
        yield start, start + len(text[start:end].rstrip(".") or text[start:end])


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_block, _by_vendor, _social_security):
        yield from (found.span() for found in pattern.finditer(text))
    for sign in _sign.finditer(text):
        before = _before_sign.search(text[max(0, sign.start() - _FURTHEST) : sign.start()])
        after = _after_sign.match(text, sign.end()) if before else None
        if before and after and (before["strong"] or _is_odd(after[after.lastgroup or 0])):
            yield after.span(after.lastgroup or 0)
    yield from (found.span(1) for found in _by_scheme.finditer(text) if _is_odd(found[1]))
    yield from (found.span() for found in _iban.finditer(text) if _is_iban(found[0]))
    yield from (found.span() for found in _token.finditer(text) if is_random(found[0], least=12))


def names_a_credential(name: str) -> bool:
    """Return whether what goes by this name is a secret, such as `api_key`."""
    return _credential_name.search(CAMEL.sub("_", name[:200])) is not None


def is_random(token: str, least: int = 10) -> bool:
    """Return whether a word of letters and digits is none that anybody would write.

    `least` is how many characters of it are to be so.
    """
    if _uuid.search(token):
        return True
    odd = [part for part in _apart.split(token) if not (part.isdigit() or _is_plain(part))]
    return sum(map(len, odd)) >= least


def _is_plain(part: str) -> bool:
    if not part:
        return True
    if len(part) > _LONGEST_WORD:
        return False
    # "Newsletter2027" is as plain as its word.
    part = _digits_behind.sub("", part) if part[0].isalpha() else part
    if not part.isalpha():
        return _plain.fullmatch(_no_latin.sub("a", part)) is not None
    if part.isupper():
        return len(part) <= _LONGEST_SHOUT
    humps = len(_hump.findall(_no_latin.sub("a", part)))
    return humps <= max(2, len(part) // _SHORTEST_HUMP)


def _is_odd(value: str) -> bool:
    """Return whether a value behind "key:" is no word of the sentence."""
    bare = value.rstrip(".,;:!?)")
    has_digit = any(letter.isdigit() for letter in bare)
    has_letter = any(letter.isalpha() for letter in bare)
    mixed = bare[1:] != bare[1:].lower() and bare != bare.upper()
    return len(bare) >= 4 and (bare.isdigit() or (has_letter and (has_digit or mixed)))


def _is_iban(written: str) -> bool:
    plain = written.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return len(plain) >= 15 and int("".join(str(int(one, 36)) for one in turned)) % 97 == 1
