"""The command line, run in this process and as the installed program."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.cli import main
from enrollment_pipeline_tests.cli.triggering import automation, call, events, triggers

__all__ = ["automation", "call", "enroll", "events", "triggers"]


@dataclass(frozen=True)
class Answer:
    """What one invocation wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that is all of standard output."""
        return json.loads(self.out)


@pytest.fixture
def enroll(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture
def program(home: Path) -> Callable[..., Answer]:
    """Run the installed program."""

    def run(*arguments: object, **options: Any) -> Answer:
        path = Path(sys.executable).parent / "enrollment"
        done = subprocess.run(
            [path, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run
