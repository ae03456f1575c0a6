"""Search over the templates of the library that forgives typos.

Pure. Belongs here: which templates a query finds, and in which order. Does not belong here: which
templates somebody may see, and filters by category or by tag.

Words are compared, never whole texts: without case, accents and punctuation. Two words that stand
next to each other are looked for as one, too, so that `followup`, `follow-up` and `follow up` find
each other.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rapidfuzz import process
from rapidfuzz.distance import OSA

Part = Literal["name", "tags", "category", "step_types", "description"]

MOST_CHARACTERS = 200
"""Characters of a query that are looked at."""

MOST_WORDS = 12
"""Words of a query that are looked at."""

_WEIGHTS: dict[Part, float] = {
    "name": 98,
    "tags": 80,
    "category": 62,
    "step_types": 45,
    "description": 30,
}
_WHOLE_NAME = 100.0

# How much of the weight a word gets by how it was found. Constant for each way, so that templates
# found the same way tie, and use decides.
_EXACT = 1.0
_SAME_STEM = 0.95
_BEGINNING = 0.9
_BY_EDITS = {1: 0.8, 2: 0.7}
_MISSPELT_BEGINNING = 0.65

_FILLERS = frozenset(
    ["a", "an", "and", "at", "for", "from", "in", "my", "of", "on", "or", "the", "to", "with"]
)
"""Words that need not match unless the query has no other."""

_SHORT = 3
_TWO_EDITS = 7
_SHORTEST_STEM = 4

# Reminder, remind and reminding have one stem. What stands in for an ending is no part of a word.
_STEMS = {
    "": [
        *("ations", "ation", "ating", "ates", "ated", "ate"),
        *("ements", "ement", "ments", "ment"),
        *("ions", "ion", "ings", "ing", "ers", "er", "ed", "es", "s", "e"),
    ],
    "ifi": ["ications", "ication", "ifies", "ified", "ify"],
    "i": ["ies", "ied", "ys", "y"],
}
_CUSTOMER = "customer"  # Nothing custom, which is a category.
_ENDINGS = {ending: instead for instead, endings in _STEMS.items() for ending in endings}
_LONGEST_ENDING = max(map(len, _ENDINGS))

_word = re.compile(r"[^\W_]+")
_compound = re.compile(r"[^\W_]+(?:[-'’_‐‑][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A template as the search sees it; `used` is how often it has been used."""

    key: str
    name: str
    description: str
    tags: tuple[str, ...]
    category: str
    step_types: tuple[str, ...]
    used: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A template that was found.

    `score` is 0 to 100. `matched` is the part that most of the score comes from; None, with a score
    of 0, if the query asked for nothing.
    """

    entry: Entry
    score: float
    matched: Part | None


class Index:
    """The words of some templates, made ready for many queries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self.names = tuple(" ".join(_telling(_words_of(entry.name))) for entry in self.entries)
        self._places: dict[str, dict[int, Part]] = defaultdict(dict)
        for number, entry in enumerate(self.entries):
            for part, words in _words_by_part(entry):
                for word in words:
                    self._places[word][number] = part
        self._sorted = sorted(self._places)
        self._by_length: dict[int, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for word in self._sorted:
            self._by_length.setdefault(len(word), []).append(word)
            self._by_stem.setdefault(_stem(word), []).append(word)

    def found(self, form: str, *, last: bool) -> dict[int, tuple[float, Part]]:
        """Return what a word of a query is worth in each entry, by its number, and in which part.

        `last`: it may be unfinished, as somebody is still typing.
        """
        best: dict[int, tuple[float, Part]] = {}
        for word, quality in self._alike(form, last).items():
            for number, part in self._places[word].items():
                score = _WEIGHTS[part] * quality
                if number not in best or best[number][0] < score:
                    best[number] = (score, part)
        return best

    def _alike(self, form: str, last: bool) -> dict[str, float]:
        """Return the known words that a word may stand for, and how sure that is.

        A word that some template has is hardly a typo: for such a one only long words that differ
        in one letter count as well. Short words and numbers are never taken for others.
        """
        alike = {word: _BEGINNING for word in self._beginning_with(form)}
        exactly_spelt = len(form) <= _SHORT or any(letter.isdigit() for letter in form)
        if not exactly_spelt:
            alike |= dict.fromkeys(self._by_stem.get(_stem(form), ()), _SAME_STEM)
            for word, quality in self._misspelt(form, known=bool(alike)):
                alike.setdefault(word, quality)
        if form in self._places:
            alike[form] = _EXACT
        if not alike and last and not exactly_spelt:
            return dict.fromkeys(self._beginning_like(form), _MISSPELT_BEGINNING)
        return alike

    def _beginning_with(self, form: str) -> Iterator[str]:
        for at in range(bisect_left(self._sorted, form), len(self._sorted)):
            if not self._sorted[at].startswith(form):
                return
            yield self._sorted[at]

    def _misspelt(self, form: str, *, known: bool) -> Iterator[tuple[str, float]]:
        if known and len(form) < _TWO_EDITS - 1:
            return
        most = 2 if len(form) >= _TWO_EDITS and not known else 1
        for length in range(max(len(form) - most, _SHORT), len(form) + most + 1):
            for word, edits in _near(form, self._by_length.get(length, ()), most):
                # Whoever mistypes a word rarely does so at its beginning. Two letters too many at
                # the end are an ending, which stems decide: a customer is nothing custom.
                begins_alike = form[0] == word[0] or (not known and edits == 1)
                if edits and begins_alike and not (edits > 1 and form.startswith(word)):
                    yield word, _BY_EDITS[edits]

    def _beginning_like(self, form: str) -> Iterator[str]:
        if len(form) <= _SHORT + 1:
            return
        for length in (len(form) - 1, len(form), len(form) + 1):
            beginnings: dict[str, list[str]] = {}
            for word in self._sorted:
                if len(word) > length and word[0] == form[0]:
                    beginnings.setdefault(word[:length], []).append(word)
            for beginning, _ in _near(form, list(beginnings), 1):
                yield from beginnings[beginning]


def search(entries: Sequence[Entry] | Index, query: str, *, limit: int) -> list[Hit]:
    """Return the templates in which every word of the query is found, the best first.

    A word found in the name counts most, then in tags, category, step types, description. Ties go
    by use, then by name. A query without letters and digits finds everything.
    """
    index = entries if isinstance(entries, Index) else Index(entries)
    words = _asked(query)
    hits = _hits(index, words) if words else [Hit(entry, 0.0, None) for entry in index.entries]
    hits.sort(
        key=lambda hit: (-hit.score, -hit.entry.used, hit.entry.name.casefold(), hit.entry.key)
    )
    return hits[: max(limit, 0)]


def _asked(query: str) -> list[str]:
    words = _telling(_words_of(query[:MOST_CHARACTERS]))
    return list(dict.fromkeys(words))[:MOST_WORDS]


def _telling(words: list[str]) -> list[str]:
    return [word for word in words if word not in _FILLERS] or words


def _hits(index: Index, words: Sequence[str]) -> list[Hit]:
    found: list[Mapping[int, tuple[float, Part]]] = []
    for at, word in enumerate(words):
        # A word may be the half of one that is written as one word elsewhere.
        forms = {word, "".join(words[at : at + 2]), "".join(words[max(at - 1, 0) : at + 1])}
        best: dict[int, tuple[float, Part]] = {}
        for form in sorted(forms):
            last = form.endswith(words[-1])
            for number, one in index.found(form, last=last).items():
                if number not in best or best[number] < one:
                    best[number] = one
        if not best:
            return []
        found.append(best)
    everywhere = set(found[0]).intersection(*found[1:])
    return [_hit(index, number, words, [one[number] for one in found]) for number in everywhere]


def _hit(
    index: Index, number: int, words: Sequence[str], found: Sequence[tuple[float, Part]]
) -> Hit:
    if index.names[number] == " ".join(words):
        return Hit(index.entries[number], _WHOLE_NAME, "name")
    sums: dict[Part, float] = dict.fromkeys(_WEIGHTS, 0.0)
    for score, part in found:
        sums[part] += score
    best: Part = max(sums, key=lambda part: sums[part])
    return Hit(index.entries[number], round(sum(sums.values()) / len(words), 1), best)


def _near(form: str, words: Sequence[str], most: int) -> Iterator[tuple[str, int]]:
    """Yield the words that so many edits at most lead to, and how many do."""
    found = process.extract_iter(form, words, scorer=OSA.distance, score_cutoff=most)
    return ((word, int(edits)) for word, edits, _ in found)


def _words_by_part(entry: Entry) -> Iterator[tuple[Part, Iterable[str]]]:
    """Yield the words of each part; the part that counts most comes last."""
    yield "description", _with_compounds(entry.description)
    yield "step_types", (word for one in entry.step_types for word in _with_pairs(one))
    yield "category", _with_pairs(entry.category)
    yield "tags", (word for tag in entry.tags for word in _with_pairs(tag))
    yield "name", _with_pairs(entry.name)


def _with_pairs(text: str) -> list[str]:
    words = _words_of(text)
    return words + _pairs(words)


def _with_compounds(text: str) -> Iterator[str]:
    """Yield the words of a long text; only what hyphens and the like join is taken as one."""
    for compound in set(_compound.findall(_plain(text))):
        if compound.isalnum():
            yield compound
        else:
            yield from _with_pairs(compound)


def _pairs(words: Sequence[str]) -> list[str]:
    return [first + second for first, second in pairwise(words)]


def _words_of(text: str) -> list[str]:
    return _word.findall(_plain(text))


def _plain(text: str) -> str:
    """Return a text without case and accents."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    return "".join(one for one in letters if not unicodedata.combining(one)).casefold()


def _stem(word: str) -> str:
    if word.startswith(_CUSTOMER):
        return _CUSTOMER
    for length in range(min(_LONGEST_ENDING, len(word) - _SHORTEST_STEM), 0, -1):
        instead = _ENDINGS.get(word[-length:])
        if instead is not None:
            return word[:-length] + instead
    return word
