"""The progress bar of what is done inside the command, on a terminal of its own."""

import os
import pty
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.cli.local_run import OPERATIONS, _progress_bar
from enrollment_pipeline.cli.output import Output
from enrollment_pipeline.cli.session import Session


def test_the_bar_is_seen_while_standard_error_is_led_into_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Dagster does with it for as long as a step runs."""
    seen_twice = threading.Event()
    seen: list[int] = []

    def describe(*_: object) -> dict[str, Any]:
        seen.append(1)
        if len(seen) > 1:
            # What the first one told is on the bar by now.
            seen_twice.set()
        return {"status": "processing", "progress": {"processed": 1_234, "total": 5_000}}

    ours, terminal = pty.openpty()
    with (
        (tmp_path / "captured").open("wb") as captured,
        os.fdopen(terminal, "w", encoding="utf-8") as stderr,
    ):
        monkeypatch.setattr("sys.stderr", stderr)
        session = Session(account_name="any", requested_by=None, output=Output())
        with _progress_bar(session, UUID(int=7), replace(OPERATIONS, describe=describe)):
            kept = os.dup(terminal)
            os.dup2(captured.fileno(), terminal)
            assert seen_twice.wait(timeout=30)
        os.dup2(kept, terminal)
        os.close(kept)
        told = os.read(ours, 100_000).decode()
    os.close(ours)

    assert "processing" in told
    assert "1234/5000" in told
    assert (tmp_path / "captured").read_bytes() == b""
