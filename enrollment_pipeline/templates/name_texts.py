"""Which words of a text are somebody's name.

Pure. Belongs here: what stands beside a name, and where a name stands. Does not belong here: the
lists (`names`), and other personal data (`personal`).

A name is a given name beside a family name; one of either behind a greeting, a title or the like;
and whatever the people are called that the account knows. Words that are names as well ("May",
"Price") need a real name beside them. Scripts without capital letters or without spaces between
words have rules of their own.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from enrollment_pipeline.templates.names import (
    family_names,
    folded,
    given_names,
    is_ordinary,
)

# Signs that belong to letters before them, which Python's \w does not take for letters.
_SIGNS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0970-\u0dff"
    "\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
_LETTER = rf"(?:[^\W\d_]|[{_SIGNS}])"
_word = re.compile(rf"{_LETTER}+(?:['\u2019\u02bc]{_LETTER}+)*")
_UNSPACED = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af"
_unspaced = re.compile(rf"[{_UNSPACED}]+")
_unspaced_pair = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")
_honorific = re.compile(r"\s?(?:さん|様|先生|女士|小姐|君|ちゃん|氏|씨|님|선생)")

_beside = re.compile(r"[ \t\u00a0]{1,2}|\.[ \u00a0]?|-")
_of_one_phrase = re.compile(r"[\s_.,+'\u2019-]{0,3}")
_and = re.compile(r"\s?(?:,|&|&amp;|and|und|et|y|e|or|oder|ou|o)?\s?(?:and|und|et|y|&)?\s?")
_BETWEEN_UNSPACED = ("", " ", "\u3000", "\u30fb", "\u00b7", "_", "-", ".")
_PARTICLES = frozenset(
    {
        *("von", "van", "de", "der", "den", "del", "della", "di", "da", "dos", "du", "la", "le"),
        *("zu", "bin", "ibn", "al", "el", "ten", "ter", "zur", "zum", "af", "av", "y", "do", "das"),
    }
)
_LONGEST_NAME = 6
_BACK = 60

_BREAK = r"(?:<[^<>]{0,80}>|&nbsp;|[\s,!.:;*_~\u2013\u2014-])*$"
_title = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Se\u00f1ora?|Sra?|Do\u00f1a"
    r"|Signora?|Sig|Senhora?|Sir|MR|MRS|MS|DR)\.?[ \u00a0]$"
)
_introduction = re.compile(
    r"\b(?:hi|hello|hey|dear|hiya|hallo|liebe[rs]?|guten (?:tag|morgen|abend)|moin|servus|bonjour"
    r"|salut|ch[eè]re?|hola|querid[oa]|estimad[oa]|ciao|car[oa]|ol[áa]|beste|dag|hej"
    r"|good (?:morning|afternoon|evening)|welcome|willkommen|bienvenue|bienvenid[oa]"
    r"|(?:kind |best |warm )?regards|thanks|thank you|cheers|sincerely|yours|love|xoxo|best|wishes"
    r"|gr(?:ü|ue)(?:ß|ss)en?|gru(?:ß|ss)|cordialement|bisous|saludos|abrazo|atentamente|merci|danke"
    r"|gracias|saluti|dein|deine|eure?|ihre?|votre|your (?:coach|friend|trainer|doctor|team mate)"
    r"|from|contact|call|ask for|meet|with|by|for|tell|email|e-mail|reach|text|write to|to|at"
    r"|my name is|i'm|i\u2019m|i am|this is|signed|attn|name|via|von|mit|bei|für|fuer|an|frag|frage"
    r"|ruf|ich bin|hei(?:ß|ss)e|mein name ist|avec|par|chez|je suis|m'appelle|contactez|appelez"
    r"|pour|soy|con|para|por|llama a|me llamo|contacta|contacte|sono|mi chiamo|per"
    r"|привет|здравствуйте|дорог(?:ой|ая)|уважаем(?:ый|ая)|γεια|αγαπητ(?:έ|ή)|cze[sś][cć]|drog[ia])"
    + _BREAK,
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class People:
    """Names that an account knows, ready to be looked for. Make one by `People.of`."""

    phrases: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    unspaced: dict[str, list[str]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Collection[str]) -> "People":
        """Return names as they are found in texts: in any order of their words, run together too.

        A single word counts everywhere, unless it is an ordinary one: then it does as any name.
        """
        phrases: dict[str, set[tuple[str, ...]]] = {}
        unspaced: dict[str, set[str]] = {}
        words: set[str] = set()
        for name in names:
            spoken = tuple(folded(found[0]) for found in _word.finditer(str(name)))
            for phrase in _spellings(spoken):
                if _unspaced.fullmatch(phrase[0]):
                    written = {between.join(phrase) for between in _BETWEEN_UNSPACED}
                    unspaced.setdefault(phrase[0][0], set()).update(written)
                else:
                    phrases.setdefault(phrase[0], set()).add(phrase)
            words.update(spoken[:1] if len(spoken) == 1 else ())
        return cls(
            {first: sorted(some, key=len, reverse=True) for first, some in phrases.items()},
            {first: sorted(some, key=len, reverse=True) for first, some in unspaced.items()},
            frozenset(words),
        )


NOBODY = People()
"""No people."""


class _Word(NamedTuple):
    start: int
    end: int
    written: str
    folded: str
    capital: bool
    caseless: bool

    @property
    def initial(self) -> bool:
        return self.capital and len(self.written) == 1


def names_in(text: str, people: People = NOBODY, *, alone: bool = False) -> list[tuple[int, int]]:
    """Return where names begin and end, in order.

    `alone`: the text is a field of its own such as a person's first name, so that a single given or
    family name needs nothing before it.
    """
    words = [_word_of(found) for found in _word.finditer(text)]
    found = list(_unspaced_names(text, people))
    finder = _Finder(text, words, people, alone)
    return _apart(sorted([*found, *finder.names()]))


def _spellings(spoken: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the ways in which a name is looked for."""
    if not spoken or (len(spoken) == 1 and len(spoken[0]) < 2):
        return
    yield spoken
    if len(spoken) > 1:
        yield spoken[-1:] + spoken[:-1]
        together = "".join(spoken)
        if len(together) > 5:
            yield (together,)


def _word_of(found: re.Match[str]) -> _Word:
    written, end = found[0], found.end()
    if written[-2:] in ("'s", "\u2019s") and len(written) > 2:
        written, end = written[:-2], end - 2
    first = written[0]
    capital = first.isupper() or first.istitle()
    caseless = not capital and not first.islower()
    return _Word(found.start(), end, written, folded(written), capital, caseless)


def _apart(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans joined where they lie upon each other."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


class _Finder:
    """One pass over the words of one text."""

    def __init__(self, text: str, words: Sequence[_Word], people: People, alone: bool) -> None:
        self._text = text
        self._words = words
        self._people = people
        self._alone = alone
        self._given = given_names()
        self._family = family_names()

    def names(self) -> Iterator[tuple[int, int]]:
        index, last = 0, -1
        while index < len(self._words):
            end = self._name_at(index, last)
            if end:
                last = end - 1
                yield self._words[index].start, self._words[last].end
            index = max(end, index + 1)

    def _name_at(self, index: int, last: int) -> int:
        word = self._words[index]
        known = self._known(index) if word.folded in self._people.phrases else 0
        if not (word.capital or word.caseless or self._alone):
            return known
        return max(known, self._whole(index), self._single(index, last))

    def _known(self, index: int) -> int:
        """Return where a name of the account's people ends that begins here, 0 if none does."""
        first = self._words[index].folded
        for phrase in self._people.phrases.get(first, ()):
            end = index + len(phrase)
            here = self._words[index:end]
            if (
                tuple(word.folded for word in here) == phrase
                and (len(phrase) > 1 or not is_ordinary(first))
                and all(
                    _of_one_phrase.fullmatch(self._text, one.end, two.start)
                    for one, two in pairwise(here)
                )
            ):
                return end
        return 0

    def _whole(self, index: int) -> int:
        """Return where a name of at least two words ends that begins here, 0 if none does."""
        first = self._words[index]
        if not (first.capital or first.caseless) or not self._may_begin(first):
            return 0
        best = 0
        for end in range(index + 1, min(index + _LONGEST_NAME, len(self._words))):
            before, word = self._words[end - 1], self._words[end]
            if not _beside.fullmatch(self._text, before.end, word.start):
                break
            if self._make_a_name(first, word, end - index):
                best = end + 1
            if not self._may_stand_between(word):
                break
        return best

    def _may_begin(self, word: _Word) -> bool:
        return word.initial or self._is_given(word) or self._is_family(word)

    def _may_stand_between(self, word: _Word) -> bool:
        if not word.capital and not word.caseless:
            return word.written in _PARTICLES
        return word.initial or self._is_given(word) or self._is_family(word)

    def _make_a_name(self, first: _Word, last: _Word, distance: int) -> bool:
        if not (last.capital or last.caseless):
            return False
        certain_first, certain_last = not self._is_word(first), not self._is_word(last)
        if first.initial:
            return certain_last and self._is_family(last)
        if self._is_given(first) and self._is_family(last):
            return certain_first or certain_last
        if first.caseless or not certain_first:
            return False
        if distance == 1 and self._is_family(first) and self._is_given(last):
            return certain_last
        if not self._is_given(first) or _shouted(first, last):
            return False
        return last.initial or certain_last

    def _single(self, index: int, last: int) -> int:
        """Return where a name of one word ends that begins here, 0 if none does."""
        word = self._words[index]
        if not (word.capital or word.caseless or self._alone) or len(word.written) < 2:
            return 0
        listed = self._is_given(word) or self._is_family(word)
        before = self._text[max(0, word.start - _BACK) : word.start]
        if _title.search(before) and word.capital and (listed or not is_ordinary(word.folded)):
            return self._with_family(index)
        if not listed:
            return 0
        ordinary = self._is_word(word)
        if self._alone:
            return index + 1 if not ordinary else 0
        if word.caseless and not _introduction.search(before):
            return 0
        known = word.folded in self._people.words
        if ordinary and not (known and word.capital):
            return 0
        follows = last >= 0 and _and.fullmatch(self._text, self._words[last].end, word.start)
        return index + 1 if follows or _introduction.search(before) else 0

    def _with_family(self, index: int) -> int:
        end = index + 1
        if end < len(self._words):
            word, after = self._words[index], self._words[end]
            beside = _beside.fullmatch(self._text, word.end, after.start)
            if beside and after.capital and self._is_family(after):
                return end + 1
        return end

    def _is_given(self, word: _Word) -> bool:
        return word.folded in self._given or word.folded in self._people.words

    def _is_family(self, word: _Word) -> bool:
        return word.folded in self._family or word.folded in self._people.words

    def _is_word(self, word: _Word) -> bool:
        return is_ordinary(word.folded)


def _shouted(first: _Word, last: _Word) -> bool:
    """Return whether both are all capitals, as in a heading, where every word begins with one."""
    return first.written.isupper() and last.written.isupper()


def _unspaced_names(text: str, people: People) -> Iterator[tuple[int, int]]:
    """Yield names in scripts that put no spaces between words."""
    for run in _unspaced.finditer(text):
        position = run.start()
        while position < run.end():
            end = _known_here(text, position, run, people) or _pair_here(text, position)
            if end:
                yield position, end
            position = max(end, position + 1)


def _known_here(text: str, position: int, run: re.Match[str], people: People) -> int:
    for name in people.unspaced.get(text[position], ()):
        end = position + len(name)
        if text.startswith(name, position):
            return end
    alone = text[position] in people.words
    if alone and (_honorific.match(text, position + 1) or len(run[0]) == 1):
        return position + 1
    return 0


def _pair_here(text: str, position: int) -> int:
    """Return where a family name ends that a given name follows, as in Chinese; 0 if none does."""
    if not _unspaced_pair.match(text, position):
        return 0
    for length in (1, 2, 3):
        middle = position + length
        if text[position:middle] not in family_names():
            continue
        middle += text[middle : middle + 1] in (" ", "\u3000")
        for more in (3, 2):
            given = text[middle : middle + more]
            if len(given) == more and given in given_names():
                return middle + more
        if text[position:middle].strip() and _honorific.match(text, middle):
            return middle
    return 0
