"""The examples of a page, run in their order, and their answers held against the ones it shows.

In what is shown, `...` stands for anything but nothing, and `<name>` for a value that differs each
time: it is learned where an answer first has it, and put in wherever it stands after that.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("bash", "graphql", "python")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|^## ([^\n]*)$", re.MULTILINE | re.DOTALL)
_LOOKING = ("enrollment status", "enrollment list")
_FENCE = re.compile(r"^\s*```", re.MULTILINE)
_VARYING = re.compile(r"(\.\.\.|<[a-z][a-z ]*>)")


class OtherAnswerError(AssertionError):
    """A real answer is not the one that the page shows."""


@dataclass
class Example:
    """Something to run; `variables` are those of a query, `answers` what it answers in turn."""

    section: str
    language: str
    text: str
    variables: str = "{}"
    answers: list[str] = field(default_factory=list)


def examples_of(page: Path, replace: Mapping[str, str]) -> list[Example]:
    """Return the examples of a page, after the replacement of texts.

    A JSON block belongs to the program before it. Behind a query, one with `data` is an answer, and
    one without holds variables: the second makes another example of the same query.

    Raises:
        ValueError: a block is no example, and would not be run.
    """
    found: list[Example] = []
    asked = False
    for section, language, text in _blocks(page.read_text(encoding="utf-8")):
        for old, new in replace.items():
            text = text.replace(old, new)
        if language in PROGRAMS:
            found.append(Example(section, language, text))
            asked = False
        elif language != "json" or not found or found[-1].section != section:
            raise ValueError(f"nobody runs this block of {page.name}: {text}")
        elif found[-1].language != "graphql" or "data" in json.loads(text):
            found[-1].answers.append(text)
        elif asked:
            found.append(Example(section, "graphql", found[-1].text, text))
        else:
            found[-1].variables = text
            asked = True
    return found


def _blocks(page: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    if len(_FENCE.findall(page)) != 2 * sum(match[3] is None for match in _BLOCK.finditer(page)):
        raise ValueError("nobody runs a block that is indented, or not only marked by a language")
    for match in _BLOCK.finditer(page):
        if match[3] is not None:
            section = match[3]
        else:
            yield section, match[1], match[2]


class Values:
    """What the names in angle brackets stand for."""

    def __init__(self, **known: str) -> None:
        self._known = {f"<{name.replace('_', ' ')}>": value for name, value in known.items()}

    def __getitem__(self, name: str) -> str:
        return self._known[f"<{name}>"]

    def put_into(self, text: str) -> str:
        """Return a text with the values in place of their names."""
        return _VARYING.sub(lambda match: self._known.get(match[0], match[0]), text)

    def compare(self, shown: Any, real: Any) -> None:
        """Hold an answer against the one shown, and learn what it names.

        Of a document every field shown must be there, of a list every item shown, in that order.

        Raises:
            OtherAnswerError: and nothing was learned.
        """
        learned = dict(self._known)
        _compare(shown, real, learned, "the answer")
        self._known = learned


def _compare(shown: Any, real: Any, known: dict[str, str], path: str) -> None:
    match shown:
        case str() if _VARYING.search(shown):
            _compare_text(shown, real, known, path)
        case dict() if shown and isinstance(real, dict):
            for key, value in shown.items():
                if key not in real:
                    raise OtherAnswerError(f"{path} has no {key!r}: {real}")
                _compare(value, real[key], known, f"{path}[{key!r}]")
        case list() if shown and isinstance(real, list):
            _compare_items(shown, real, known, path)
        case _:
            if (type(shown), shown) != (type(real), real):
                raise OtherAnswerError(f"{path} is {real!r} and not {shown!r}")


def _compare_items(shown: list[Any], real: list[Any], known: dict[str, str], path: str) -> None:
    left = iter(real)
    for item in shown:
        for candidate in left:
            learned = dict(known)
            try:
                _compare(item, candidate, learned, path)
            except OtherAnswerError:
                continue
            known.update(learned)
            break
        else:
            raise OtherAnswerError(f"{path} does not hold {item!r} in its place: {real}")


def _compare_text(shown: str, real: Any, known: dict[str, str], path: str) -> None:
    if shown == "...":
        if real is None:
            raise OtherAnswerError(f"{path} is null")
        return
    names: list[str] = []
    pattern = "".join(_pattern(part, known, names) for part in _VARYING.split(shown))
    found = re.fullmatch(pattern, real, re.DOTALL) if isinstance(real, str) else None
    if found is None:
        raise OtherAnswerError(f"{path} is {real!r} and not {shown!r}")
    known.update(zip(names, found.groups(), strict=True))


def _pattern(part: str, known: Mapping[str, str], names: list[str]) -> str:
    if part == "...":
        return ".+"
    if not _VARYING.fullmatch(part):
        return re.escape(part)
    if part in known:
        return re.escape(known[part])
    names.append(part)
    return "(.+)"


class CommandLine:
    """Runs the programs of a page in a folder where `enrollment` works for one account.

    A command that only looks is run again until it answers as shown, for `patience` seconds.
    """

    def __init__(self, folder: Path, account: str, patience: float = 0) -> None:
        self._folder = folder
        self._patience = patience
        (folder / "data").symlink_to(ROOT / "data")
        program = folder / "bin" / "enrollment"
        program.parent.mkdir()
        real = Path(sys.executable).parent / "enrollment"
        program.write_text(f'#!/bin/sh\nexec "{real}" --account {account} "$@"\n')
        program.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(self, example: Example, values: Values) -> None:
        """Run an example and compare what it answers.

        Raises:
            OtherAnswerError: it answers otherwise.
        """
        (answer,) = map(json.loads, example.answers)
        text = values.put_into(example.text)
        patience = self._patience if text.startswith(_LOOKING) else 0
        repeat(lambda: self._once(example.language, text, answer, values), patience)

    def _once(self, language: str, text: str, shown: Any, values: Values) -> None:
        command = ["bash", "-euc", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != (3 if set(shown) == {"error"} else 0):
            raise OtherAnswerError(
                f"{text} ended with {done.returncode}: {done.stdout} {done.stderr}"
            )
        # One document a line, the last of which is where the program ended.
        values.compare(shown, [json.loads(line) for line in done.stdout.splitlines()][-1])


def repeat(attempt: Callable[[], None], patience: float) -> None:
    """Try something again until it no longer differs, for so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except OtherAnswerError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.3)


def errors_in(answer: Any) -> set[str]:
    """Return the kinds of the parts of a GraphQL answer that tell of an error."""
    if isinstance(answer, list):
        return set().union(*map(errors_in, answer))
    if not isinstance(answer, dict):
        return set()
    kind = str(answer.get("__typename", ""))
    own = {kind} if re.search(r"(Error|Failure|Invalid|Conflict)$", kind) else set()
    return own.union(*map(errors_in, answer.values()))
