"""The guide for programs: its examples of the command line do what it shows.

Those of GraphQL need a running UI; they are in `end_to_end`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import run_phases
from enrollment_pipeline_tests.examples import (
    ROOT,
    CommandLine,
    OtherAnswerError,
    Values,
    errors_in,
    examples_of,
)

PAGE = ROOT / "docs" / "automation.md"
HERE = ("Before you begin", "The command line in JSON")
WITH_A_UI = ("Before you begin", "GraphQL", "Two programs")


def next_week() -> str:
    """A time to come, instead of the one in the page, which is some day past."""
    return f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%dT%H:%M}"


@pytest.fixture
def job_with_a_failure(
    database: Database, settings: Settings, owner: Engine, sampled: Account, add_workflow: Any
) -> str:
    """A closed job of some contacts, one of which the database has refused."""
    add_workflow(sampled)
    with database.account(sampled.id) as connection:
        found = connection.exec_driver_sql(
            "select id from enrollment.contacts where status = 'active' order by id limit 3"
        )
        contacts = [str(row.id) for row in found]
    selection = {"type": "manual", "contact_ids": contacts}
    request = parse_request({"workflow": "Welcome", "selection": selection})
    job_id, _ = service.submit(database, sampled, request, source="test", runner="caller")
    table = "alter table enrollment.enrollments"
    with owner.begin() as connection:
        connection.exec_driver_sql(
            f"{table} add constraint refused check (contact_id <> '{contacts[1]}') not valid"
        )
    try:
        run_phases(Phases(database, settings, job_id))
    finally:
        with owner.begin() as connection:
            connection.exec_driver_sql(f"{table} drop constraint refused")
    return str(job_id)


def test_the_examples_of_the_command_line_answer_as_shown(
    sampled: Account, job_with_a_failure: str, tmp_path: Path
) -> None:
    values = Values(job_with_a_failure=job_with_a_failure)
    commands = CommandLine(tmp_path, sampled.name)

    for example in examples_of(PAGE, {"2027-01-05T09:00": next_week()}):
        if example.section in HERE:
            commands.run(example, values)


def test_every_example_of_the_page_is_run_by_a_test_and_has_an_answer() -> None:
    examples = examples_of(PAGE, {})

    assert {example.section for example in examples} == {*HERE, *WITH_A_UI}
    assert all(example.answers for example in examples)
    assert {example.language for example in examples if example.section in HERE} == {"bash"}


@pytest.mark.parametrize(
    "block",
    ["```sql\nselect\n```\n", "```\nplain\n```\n", "```json\n{}\n```\n", " ```bash\nls\n ```\n"],
)
def test_a_block_that_nobody_runs_is_found(block: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"## Section\n\n{block}")

    with pytest.raises(ValueError, match="nobody runs"):
        examples_of(page, {})


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": {}}, {"a": {"b": 1}}),
        ({"a": "..."}, {"a": None}),
        ({"a": []}, {"a": [1]}),
        ([1, 2], [2, 1]),
        ([{"a": 1}], []),
        ("job <job>", "job other"),
        (".../a.csv", "/a/b.csv"),
    ],
)
def test_an_answer_that_is_not_the_one_shown_is_found(shown: Any, real: Any) -> None:
    with pytest.raises(OtherAnswerError):
        Values(job="1").compare(shown, real)


def test_a_name_stands_for_what_an_answer_first_had_in_its_place() -> None:
    values = Values()

    values.compare({"id": "<job>", "rows": [{"n": 2}]}, {"id": "17", "rows": [{"n": 1}, {"n": 2}]})

    assert values.put_into("status <job> <other>") == "status 17 <other>"
    with pytest.raises(OtherAnswerError):
        values.compare("<job>", "18")


def test_an_answer_that_tells_of_an_error_is_found() -> None:
    answer = {"data": {"runs": [{"__typename": "Run"}, {"__typename": "RunNotFoundError"}]}}

    assert errors_in(answer) == {"RunNotFoundError"}
