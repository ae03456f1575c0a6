"""The guide for programs: its examples of GraphQL, and its two programs, do what it shows."""

import json

import pytest
from sqlalchemy import text

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline_tests.examples import (
    CommandLine,
    OtherAnswerError,
    Values,
    errors_in,
    examples_of,
    repeat,
)
from enrollment_pipeline_tests.test_automation import PAGE, WITH_A_UI, next_week

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 180


@pytest.fixture
def contacts(database, sampled):
    """The ids of some sample contacts that may be enrolled."""
    statement = "select id from enrollment.contacts where status = 'active' order by id limit 50"
    with database.account(sampled.id) as connection:
        return [str(row.id) for row in connection.execute(text(statement))]


@pytest.fixture
def left(ui, database, sampled, add_workflow):
    """Leave a job of these contacts as a killed `enrollment run` does; return its id."""
    add_workflow(sampled)

    def make(contacts):
        selection = {"type": "manual", "contact_ids": contacts}
        request = parse_request({"workflow": "Welcome", "selection": selection})
        job_id, _ = service.submit(database, sampled, request, source="test", runner="caller")
        ui.add_partition(str(job_id))
        return str(job_id)

    return make


@pytest.fixture
def outcomes(owner):
    """Return how many contacts a job enrolled, how many of them are different, and its status."""

    def count(job_id):
        statement = text(
            "select (select status from enrollment.enrollment_jobs where id = :job), count(*), "
            "count(distinct contact_id) from enrollment.enrollments where source_id = :job"
        )
        with owner.connect() as connection:
            return tuple(connection.execute(statement, {"job": job_id}).one())

    return count


def ask(ui, example, values):
    """Ask a query until it answers as shown, or a mutation once."""
    query = values.put_into(example.text)
    variables = json.loads(values.put_into(example.variables))

    def once(shown):
        answer = {"data": ui.ask(query, **variables)}
        unexpected = errors_in(answer) - errors_in(shown)
        if unexpected:
            raise OtherAnswerError(f"{query} of {variables} answers with {unexpected}: {answer}")
        values.compare(shown, answer)

    for shown in map(json.loads, example.answers):
        repeat(lambda shown=shown: once(shown), PATIENCE if query.startswith("query") else 0)


def test_the_examples_of_graphql_and_the_programs_do_what_they_show(
    ui, sampled, contacts, left, outcomes, tmp_path
):
    values = Values(
        contact=contacts[0],
        other_contact=contacts[1],
        left_job=left(contacts[:20]),
        second_left_job=left(contacts[20:40]),
        third_left_job=left(contacts[30:50]),
    )
    commands = CommandLine(tmp_path, sampled.name, patience=PATIENCE)
    replace = {
        '"demo"': f'"{sampled.name}"',
        "http://127.0.0.1:3000": ui.url,
        "2027-01-05T09:00": next_week(),
    }

    for example in examples_of(PAGE, replace):
        if example.section in WITH_A_UI:
            if example.language == "graphql":
                ask(ui, example, values)
            else:
                commands.run(example, values)

    assert outcomes(values["job"]) == ("completed", 780, 780)
    assert outcomes(values["later job"]) == ("cancelled", 0, 0)
    status, enrolled, different = outcomes(values["long job"])
    assert (status, enrolled) == ("cancelled", different)
    assert 0 < enrolled < 1864
    assert outcomes(values["left job"]) == ("completed", 20, 20)
    both = [outcomes(values[name]) for name in ("second left job", "third left job")]
    assert {status for status, _, _ in both} == {"completed"}
    assert sum(enrolled for _, enrolled, _ in both) == 30
    assert outcomes(values["job by graphql"]) == ("completed", 1689, 1689)
    assert outcomes(values["job by command"]) == ("completed", 1325, 1325)
