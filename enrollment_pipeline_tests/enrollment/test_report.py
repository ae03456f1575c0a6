"""The files of a closed job: every row once, nothing that a spreadsheet or a browser would run."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.report import FILES, is_whole
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.files.formulas import FORMULA_ESCAPE, FORMULA_FIRST_CHARACTERS
from enrollment_pipeline.records import Outcome
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Document, Trip, manual

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'n' {{ 7 * 7 }}"


def read(job: Document, name: str) -> list[dict[str, str]]:
    with Path(job["files"][name]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def page(job: Document) -> str:
    return Path(job["files"]["report"]).read_text(encoding="utf-8")


def test_every_outcome_has_exactly_one_file() -> None:
    assert sorted(outcome for held in FILES.values() for outcome in held) == sorted(Outcome)
    assert set(FILES) == {
        "enrolled",
        "skipped",
        "failed",
        "unmatched",
        "rejected",
        "unprocessed",
    }


def test_rows_are_in_the_file_of_their_outcome_in_the_order_of_the_input(
    bulk: Bulk, trip: Trip, add_workflow: Callable[..., UUID]
) -> None:
    workflow = add_workflow(bulk.account)
    ids = bulk.crowd(6)
    bulk.change_contacts(ids[1:2], "status = 'blocked'")
    bulk.enroll_before(workflow, ids[2:3])
    trip(ids[3:4], "raise exception 'poison';")
    lines = [
        "email,x",
        "c6@example.com,1",
        *(f"c{n}@example.com,1" for n in range(1, 7)),
        "?,1",
        "!",
    ]
    job_id = bulk.submit(bulk.csv("\n".join(lines)))
    job = bulk.finish(job_id)

    found = {
        name: [(row["line"], row["identifier"], row["outcome"]) for row in read(job, name)]
        for name in FILES
    }
    assert found == {
        "enrolled": [
            ("2", "c6@example.com", "enrolled"),
            ("3", "c1@example.com", "enrolled"),
            ("7", "c5@example.com", "enrolled"),
        ],
        "skipped": [
            ("4", "c2@example.com", "skipped"),
            ("5", "c3@example.com", "already_enrolled"),
            ("8", "c6@example.com", "duplicate"),
        ],
        "failed": [("6", "c4@example.com", "failed")],
        "unmatched": [("9", "?", "unmatched")],
        "rejected": [("10", "!", "rejected")],
        "unprocessed": [],
    }
    (failed,) = read(job, "failed")
    assert failed == {
        "line": "6",
        "identifier": "c4@example.com",
        "contact_id": str(ids[3]),
        "outcome": "failed",
        "code": "ENROLLMENT_ERROR",
        "message": "poison",
    }


@pytest.mark.parametrize("first", [*FORMULA_FIRST_CHARACTERS, '"', "'", "a", "|"])
def test_no_cell_is_a_formula(bulk: Bulk, add_workflow: Callable[..., UUID], first: str) -> None:
    add_workflow(bulk.account)
    cell = f"{first}cmd|' /C calc'!A0"
    quoted = cell.replace('"', '""')
    # An identifier is trimmed; the text of a rejected row is kept as it stands, but begins behind
    # the end of the line before.
    job = bulk.enroll(bulk.csv(f'email,x\n"{quoted}",1\n{cell}\n'))

    for name, kept in (("unmatched", cell.strip()), ("rejected", cell.lstrip("\r"))):
        (row,) = read(job, name)
        risky = kept.startswith(tuple(FORMULA_FIRST_CHARACTERS))
        assert row["identifier"] == (FORMULA_ESCAPE + kept if risky else kept)
        assert not row["identifier"].startswith(tuple(FORMULA_FIRST_CHARACTERS))


@pytest.mark.parametrize("first", FORMULA_FIRST_CHARACTERS)
def test_a_message_is_no_formula_either(
    bulk: Bulk, trip: Trip, add_workflow: Callable[..., UUID], first: str
) -> None:
    add_workflow(bulk.account)
    (contact,) = bulk.crowd(1)
    trip([contact], f"raise exception using message = chr({ord(first)}) || '1+1';")
    job = bulk.enroll(manual([contact]))
    assert read(job, "failed")[0]["message"] == f"{FORMULA_ESCAPE}{first}1+1"


def test_the_page_tells_the_counts_and_runs_nothing(
    bulk: Bulk, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account, HOSTILE)
    ids = bulk.crowd(1234)
    bulk.change_contacts(ids[:30], "status = 'blocked'")
    job = bulk.enroll(manual([*ids, *ids[:7]]), HOSTILE, requested_by="<img src=x onerror=y>")
    text = page(job)

    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; " in text
    assert "{{ 7 * 7 }}" in text
    cells = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
    for shown in ("1,241", "1,204", "30", "7", "CONTACT_BLOCKED", "DUPLICATE", str(job["job_id"])):
        assert shown in cells
    assert "http://" not in text
    assert "https://" not in text


def test_a_job_without_contacts_says_so_on_its_page(
    bulk: Bulk, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    assert "there was nobody to enroll" in page(bulk.enroll(manual([])))


def test_a_report_is_written_again_where_any_of_it_is_missing(
    bulk: Bulk, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(3)))
    job = bulk.finish(job_id)
    folder = Path(job["files"]["report"]).parent

    def rewrite() -> None:
        service.write_report(bulk.database, bulk.settings, bulk.account, job_id)

    for name in ("enrolled", "report"):
        Path(job["files"][name]).unlink()
        assert not is_whole(folder)
        assert name not in bulk.describe(job_id)["files"]
        rewrite()
        assert bulk.verified(job_id) == job
    shutil.rmtree(folder)
    assert bulk.describe(job_id)["files"] == {}
    rewrite()
    assert bulk.verified(job_id) == job

    written = Path(job["files"]["enrolled"]).stat().st_mtime_ns
    rewrite()
    assert Path(job["files"]["enrolled"]).stat().st_mtime_ns == written
    assert [path.name for path in folder.parent.iterdir()] == [str(job_id)]


def test_what_a_killed_run_left_half_written_is_no_report(
    bulk: Bulk, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(3)))
    phases: Phases = bulk.phases(job_id)
    partial = phases.folder.with_name(f".{phases.folder.name}.partial")
    partial.mkdir(parents=True)
    (partial / "enrolled.csv").write_text("half", encoding="utf-8")
    assert bulk.describe(job_id)["files"] == {}
    bulk.finish(job_id)
    assert not partial.exists()


def test_an_open_job_has_no_report(bulk: Bulk, add_workflow: Callable[..., UUID]) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(3)))
    with pytest.raises(InvalidStateError, match="The job is pending"):
        service.write_report(bulk.database, bulk.settings, bulk.account, job_id)
    assert bulk.describe(job_id)["files"] == {}
