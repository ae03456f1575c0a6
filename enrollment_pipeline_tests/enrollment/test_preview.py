"""A preview does what the job would do, tells the outcome, and leaves nothing behind."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import inspect

from enrollment_pipeline_tests.enrollment.conftest import (
    EVERYBODY,
    OUTCOMES,
    Bulk,
    Document,
    manual,
)

COMPARED = (
    "status",
    "workflow_id",
    "workflow_name",
    "selection_type",
    "input_rows",
    "total_contacts",
    "total_batches",
    "outcomes",
    "reasons",
)


@pytest.fixture
def mixed(
    bulk: Bulk, add_contacts: Callable[..., list[UUID]], add_workflow: Callable[..., UUID]
) -> list[Document]:
    """Selections of every type, with every outcome that one can have."""
    workflow = add_workflow(bulk.account)
    ids = bulk.crowd(60)
    bulk.change_contacts(ids[:5], "status = 'blocked'")
    bulk.change_contacts(ids[5:8], "status = 'unsubscribed'")
    bulk.change_contacts(ids[8:10], "deleted_at = now()")
    bulk.enroll_before(workflow, ids[10:14])
    lines = [f"C{number}@example.com" for number in range(1, 61)]
    return [
        EVERYBODY,
        manual([*ids, *ids[:7], uuid4(), "no id"]),
        bulk.csv(
            "\n".join(["email,x", *(f"{line},1" for line in [*lines, lines[0], "?"]), "short"])
        ),
    ]


def counts(bulk: Bulk) -> dict[str, int]:
    names = inspect(bulk.owner).get_table_names(schema="enrollment")
    return {
        name: bulk.query(f'select count(*) as number from enrollment."{name}"')[0]["number"]
        for name in names
    }


@pytest.mark.parametrize("options", [{}, {"skip_unsubscribed": False}, {"batch_size": 10}])
def test_a_preview_ends_like_the_job_and_leaves_no_row(
    bulk: Bulk, mixed: list[Document], options: Document
) -> None:
    for selection in mixed:
        before = counts(bulk)
        preview = bulk.preview(selection, add_tags=["x"], **options)
        assert counts(bulk) == before
        assert bulk.preview(selection, **options)["outcomes"] == preview["outcomes"]

        job = bulk.enroll(selection, add_tags=["x"], **options)

        assert {key: preview[key] for key in COMPARED} == {key: job[key] for key in COMPARED}
        assert all(preview["checks"].values())
        bulk.sql(
            "delete from enrollment.enrollments where source = 'bulk_enrollment' "
            "and account_id = :account",
            account=bulk.account.id,
        )


def test_a_preview_has_the_fields_of_a_job_but_its_id(bulk: Bulk, mixed: list[Document]) -> None:
    preview = bulk.preview(mixed[0])
    job = bulk.enroll(mixed[0])

    assert set(job) - set(preview) == {"job_id"}
    assert set(preview) - set(job) == {"dry_run", "checks", "estimated_seconds", "samples"}
    assert set(job["progress"]) - set(preview["progress"]) == {"job_id"}
    assert preview["dry_run"] is True
    assert preview["files"] == {}
    assert tuple(preview["outcomes"]) == OUTCOMES
    assert preview["estimated_seconds"] > 0


def test_a_preview_shows_up_to_20_rows_of_each_outcome(bulk: Bulk, mixed: list[Document]) -> None:
    preview = bulk.preview(mixed[2])
    samples = preview["samples"]

    assert {name: len(rows) for name, rows in samples.items()} == {
        name: min(number, 20) for name, number in preview["outcomes"].items() if number
    }
    assert [row["line"] for row in samples["enrolled"]] == list(range(16, 36))
    assert samples["rejected"] == [
        {
            "line": 64,
            "identifier": "short",
            "contact_id": None,
            "code": "REJECTED",
            "message": "has 1 field, the header has 2",
        }
    ]
    assert samples["unmatched"][-1] == {
        "line": 63,
        "identifier": "?",
        "contact_id": None,
        "code": "UNMATCHED",
        "message": None,
    }
    assert all(row["code"] == "CONTACT_BLOCKED" for row in samples["skipped"])


def test_a_preview_of_a_scheduled_request_or_a_known_request_id_is_a_preview(
    bulk: Bulk, mixed: list[Document]
) -> None:
    bulk.submit(mixed[0], request_id="r")
    preview = bulk.preview(mixed[0], request_id="r", scheduled_at="2031-01-01T00:00")
    assert preview["outcomes"]["enrolled"] > 0
    assert preview["scheduled_at"] is None


def test_a_preview_leaves_no_file(bulk: Bulk, mixed: list[Document]) -> None:
    def files() -> set[str]:
        return {
            str(path)
            for folder in (bulk.settings.scratch, bulk.settings.reports)
            for path in folder.rglob("*")
        }

    before = files()
    for selection in mixed:
        bulk.preview(selection)
    assert files() == before
