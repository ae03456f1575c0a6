"""People who do not exist: names put together from syllables, and an address for each.

Belongs here: who they are. What the product knows of them as contacts is in `contacts`.
"""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from enrollment_pipeline.samples.dice import Dice

_FIRST = ("Al", "Be", "Ca", "Da", "El", "Fi", "Ga", "Hé", "Io", "Ju", "Ka", "Li", "Mi", "Nó", "Zö")
_MIDDLE = ("", "", "la", "mi", "no", "ra", "ri", "to", "vé")
_LAST = ("na", "len", "ric", "sa", "to", "vin", "ya", "zel")
_HOUSE = ("Ar", "Bran", "Cor", "Dol", "Er", "Fal", "Gar", "Hol", "Ister", "Kel", "Lor", "Mün")
_STEAD = ("bak", "den", "fels", "gard", "holt", "lund", "mere", "quist", "søn", "stad", "wick")
# Reserved for examples (RFC 2606), so that no mail can ever reach anybody.
_DOMAINS = ("example.com", "example.org", "example.net")
_ONE_LETTER_EACH = str.maketrans({"ø": "o"})


class Person(NamedTuple):
    """Somebody invented; no two have the same address, whatever its letter case."""

    first_name: str
    last_name: str
    email: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


def invent(dice: Dice) -> Iterator[Person]:
    """Yield people without end."""
    taken: set[str] = set()
    while True:
        first = dice.one_of(_FIRST) + dice.one_of(_MIDDLE) + dice.one_of(_LAST)
        last = dice.one_of(_HOUSE) + dice.one_of(_STEAD)
        domain = dice.one_of(_DOMAINS)
        stem = _ascii(f"{first}.{last}").lower()
        email, number = f"{stem}@{domain}", 2
        while email in taken:
            email, number = f"{stem}{number}@{domain}", number + 1
        taken.add(email)
        yield Person(first, last, email)


def _ascii(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.translate(_ONE_LETTER_EACH))
    return letters.encode("ascii", "ignore").decode()
