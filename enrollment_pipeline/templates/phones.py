"""Phone numbers in a text, however they are grouped, and other long numbers.

Pure. A number counts that is written as one of a country is, that stands behind a word such as
"call", or that has so many digits that it is no price, date or order number.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

_REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "CZ", "PT", "SE", "DK"),
    *("NO", "FI", "IE", "GR", "HU", "RO", "AU", "NZ", "IN", "BR", "MX", "JP", "KR", "CN", "HK"),
    *("SG", "ZA", "IL", "TR", "AE", "UA", "RU", "AR", "CL", "CO"),
)
"""Where numbers without a country's code are looked for."""

_FEWEST = 6
_UNDOUBTED = 9
"""Digits from which no number is an order's, a date or a price any more."""

_LONG_NUMBER = 100_000_000
_MOST = 17

_BETWEEN = r"[ \u00a0\u2007\u2009\u202f./()\u2010-\u2015\u00b7-]"
_candidate = re.compile(
    r"(?<![^\W_])[+\uff0b]?\(?\+?\d(?:" + _BETWEEN + r"{0,3}\d){5,}"
    r"(?:\s?(?:ext|x|Durchwahl|poste)\.?\s?\d{1,6})?"
)
_long = re.compile(r"\d{9,}")

_DAY, _MONTH, _YEAR = r"(?:3[01]|[12]\d|0?[1-9])", r"(?:1[0-2]|0?[1-9])", r"(?:19|20)\d\d"
_CLOCK = r"(?:[01]?\d|2[0-4])[.:h][0-5]\d"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![\d+])(?<!\d[./-])", r"(?![./-]?\d)"
_no_phone = re.compile(
    _NO_DIGIT_BEFORE
    + "(?:"
    + "|".join(
        [
            rf"{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}(?:[T ]\d\d:\d\d(?::\d\d)?)?",
            rf"{_DAY}[-/.]{_DAY}[-/.](?:{_YEAR}|\d\d)",
            rf"{_YEAR}\s?[-\u2013/]\s?(?:{_YEAR}|\d\d)",
            rf"{_CLOCK}\s?[-\u2013]\s?{_CLOCK}",
            r"[1-9]\d?(?:\.\d{3})+",
            r"[1-9]\d?(?:[ \u00a0\u202f]\d{3}){1,2}(?![ \u00a0\u202f]\d)",
            r"97[89](?:[- ]\d{1,7}){4}",
        ]
    )
    + ")"
    + _NO_DIGIT_AFTER
)
"""Dates, hours, sums and ISBNs."""

_asks_to_call = re.compile(
    r"(?:\b(?:call|dial|ring|phone|telephone|tel|fax|mobile|cell|whatsapp|sms|text|ruf|rufen|anruf"
    r"|telefon|handy|mobil|appelez|t[ée]l[ée]phone|portable|llama|llame|tel[ée]fono|m[óo]vil"
    r"|telefono|telefone|celular|chiama)\b|\u260e|\u260f|\U0001f4de|\U0001f4f1)"
    r"(?:\W{1,3}[^\W\d]{1,4}){0,3}\W{0,6}$",
    re.IGNORECASE,
)
_FURTHEST = 40


def phones_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where phone numbers and other long numbers begin and end, in order."""
    masked = _no_phone.sub(lambda found: "\ufdd1" * len(found[0]), text)
    end = 0
    for found in _candidate.finditer(masked):
        for run in _long.finditer(masked, end, found.start()):
            yield run.span()
        if _is_phone(found[0], masked[max(0, found.start() - _FURTHEST) : found.start()]):
            yield found.span()
        else:
            for run in _long.finditer(masked, *found.span()):
                yield run.span()
        end = found.end()
    for run in _long.finditer(masked, end):
        yield run.span()


def is_long_number(number: float) -> bool:
    """Return whether a number has as many digits as a phone number or a card."""
    return abs(number) >= _LONG_NUMBER


def is_card(text: str) -> bool:
    """Return whether the digits of a text are the number of a payment card (Luhn's check)."""
    digits = [int(letter) for letter in text if letter.isdecimal()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (doubled + sum(digits[-1::-2])) % 10 == 0


def _is_phone(written: str, before: str) -> bool:
    groups = re.findall(r"\d+", written)
    count = sum(map(len, groups))
    if written[0] in "+\uff0b(" or "+" in written[:3]:
        return count > _FEWEST
    if _asks_to_call.search(before):
        return True
    if len(groups) == 1:
        return count >= _UNDOUBTED
    if groups[0].startswith("0") or count > _MOST:
        return count >= _UNDOUBTED or _is_of_a_country(written)
    return count >= _UNDOUBTED and count >= 2 * len(groups) and _is_of_a_country(written)


@lru_cache(maxsize=10_000)
def _is_of_a_country(written: str) -> bool:
    """Return whether some country writes a number of its own so."""
    digits = [int(letter) for letter in written if letter.isdecimal()]
    if is_card(written) or len(digits) > _MOST:
        return True
    plain = "".join(map(str, digits))
    for region in _REGIONS:
        try:
            number = phonenumbers.parse(plain, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
