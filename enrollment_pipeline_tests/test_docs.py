"""The documents against the program: nothing missing, nothing that is no longer there."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
import yaml
from sqlalchemy import Engine, text

from enrollment_pipeline.cli import main
from enrollment_pipeline.cli.trouble import DEBUG_VARIABLE
from enrollment_pipeline.definitions import defs
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.errors import ProductError, Reason
from enrollment_pipeline.records import (
    Account,
    AccountSettings,
    Outcome,
    Permission,
    ReenrollmentPolicy,
)
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.triggers import highlevel_payloads
from enrollment_pipeline.triggers.asking import UNMATCHED
from enrollment_pipeline.triggers.documents import TriggerSettings
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.triggers.registry import EVENT_TYPES, EventType, Kind, Parameter
from enrollment_pipeline.work.progress import Progress
from enrollment_pipeline.workflows.retrying import is_transient
from enrollment_pipeline.workflows.step_errors import StepError

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ENROLLMENT = (ROOT / "docs" / "enrollment.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
TRIGGERS = (ROOT / "docs" / "triggers.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def commands(command: Any, name: str = "enrollment") -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by its full name."""
    below = getattr(command, "commands", {})
    if not below:
        yield name, command
    for part, inner in below.items():
        yield from commands(inner, f"{name} {part}")


PROGRAM: Any = typer.main.get_command(main._app())
COMMANDS = dict(commands(PROGRAM))


def options(command: Any) -> set[str]:
    """Return the long options of a command."""
    return {
        option
        for parameter in command.params
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--") and option != "--help"
    }


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, down to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """Return the cells of the table below a heading, by the code in the first cell."""
    found = {}
    for line in section(page, heading).splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[cells[0].strip("`")] = cells[1:]
    return found


def all_errors(kind: type[ProductError] = ProductError) -> list[type[ProductError]]:
    """Return an error and everything derived from it."""
    return [kind, *(found for child in kind.__subclasses__() for found in all_errors(child))]


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_command_has_a_heading_and_every_such_heading_a_command() -> None:
    told = re.findall(r"^### `(enrollment [a-z -]+)`$", CLI, re.MULTILINE)

    assert sorted(told) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    told = set(re.findall(r"`(--[a-z-]+)", section(CLI, f"`{name}`"))) - {"--account"}

    assert told == options(COMMANDS[name])


def test_the_global_options_are_documented() -> None:
    assert options(PROGRAM) <= set(rows(CLI, "Command line"))


def test_every_option_of_an_enrollment_is_explained_in_the_guide() -> None:
    explained_above = {"--csv", "--column", "--ids", "--filter", "--workflow"}

    told = set(rows(ENROLLMENT, "Options"))
    assert told == options(COMMANDS["enrollment submit"]) - explained_above


def test_every_setting_of_the_environment_is_documented() -> None:
    assert set(rows(OPERATIONS, "Settings of the environment")) == {
        *(f"ENROLLMENT_{name.upper()}" for name in Settings.model_fields),
        DEBUG_VARIABLE,
        "DAGSTER_HOME",
    }


def test_every_setting_of_an_account_is_documented_with_its_default() -> None:
    told = rows(OPERATIONS, "Account settings")

    assert {name: cells[0].strip("`") for name, cells in told.items()} == {
        name: str(value) for name, value in AccountSettings().model_dump().items()
    }


def test_every_error_code_is_documented_with_its_exit_code() -> None:
    told = rows(OPERATIONS, "Error codes")

    assert {code: int(cells[0]) for code, cells in told.items()} == {
        error.code: error.exit_code
        for error in all_errors()
        if error.__module__.startswith("enrollment_pipeline.")
    }


def test_every_reason_is_documented_with_whether_it_is_retryable() -> None:
    told = rows(OPERATIONS, "Reason codes")

    assert {code: cells[0] for code, cells in told.items()} == {
        str(reason): "yes" if reason.retryable else "no" for reason in Reason
    }


def test_every_step_error_is_documented_with_whether_it_is_tried_again() -> None:
    told = {code: cells[0] for code, cells in rows(OPERATIONS, "Step errors").items()}

    assert told.pop("HTTP_STATUS") == "408, 425, 429, 5xx"
    assert told == {
        str(code): "yes" if is_transient(code) else "no"
        for code in StepError
        if code is not StepError.HTTP_STATUS
    }


def test_every_permission_is_explained() -> None:
    page = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")

    assert list(rows(page, "Permissions")) == list(Permission)


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Outcomes", Outcome),
        ("States of a job", JobStatus),
        ("May a contact enter again?", ReenrollmentPolicy),
        ("Progress", Progress.__dataclass_fields__),
    ],
)
def test_outcomes_states_policies_and_progress_are_explained(
    heading: str, words: list[str]
) -> None:
    first_cells = re.findall(r"^\|(.*?)\|", section(ENROLLMENT, heading), re.MULTILINE)
    told = set(re.findall(r"`([a-z_]+)`", " ".join(first_cells)))

    assert set(map(str, words)) <= told


def codes(cell: str) -> set[str]:
    """Return what stands in a cell as code."""
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_event_type_is_explained_in_the_order_of_the_command() -> None:
    told = rows(TRIGGERS, "Event types")

    assert list(told) == list(EVENT_TYPES)
    assert {name: cells[0] for name, cells in told.items()} == {
        name: kind.says for name, kind in EVENT_TYPES.items()
    }


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.name)
def test_what_an_event_type_needs_and_carries_is_documented(kind: EventType) -> None:
    _, needed, carried = rows(TRIGGERS, "Event types")[kind.name]

    # Of a schedule it is one of two, which no parameter says for itself.
    either = {"cron", "rrule"} if kind.name == "recurring_schedule" else set()
    assert codes(needed) == set(kind.must_have) | either
    assert codes(carried) == {
        f"{one.name}.NAME" if one.kind is Kind.OBJECT else one.name
        for one in kind.fields
        if one.filtered
    }
    assert set(re.findall(r"\*\*`([^`]+)`\*\*", carried)) == {
        one.name for one in kind.fields if one.required
    }


def test_every_parameter_of_triggers_is_documented_with_the_types_that_have_it() -> None:
    told = rows(TRIGGERS, "Parameters")

    assert {name: codes(cells[0]) for name, cells in told.items()} == {
        str(one): {name for name, kind in EVENT_TYPES.items() if one in kind.parameters}
        for one in Parameter
    }


def test_every_setting_of_triggers_is_documented_with_its_default() -> None:
    told = rows(TRIGGERS, "Settings")
    defaults = TriggerSettings().model_dump(mode="json")

    assert {name: cells[0].strip("`") for name, cells in told.items()} == {
        name: str(value).lower() for name, value in defaults.items()
    }


def test_every_result_of_triggers_is_documented_with_whether_it_matched() -> None:
    told = rows(TRIGGERS, "What comes of an event")

    assert {name: cells[0] for name, cells in told.items()} == {
        str(one): "no" if one in UNMATCHED else "yes" for one in Result
    }


def test_the_time_triggers_are_those_that_the_clock_raises() -> None:
    told = rows(TRIGGERS, "Time triggers")

    assert set(told) == {name for name, kind in EVENT_TYPES.items() if kind.timed}


def test_every_payload_of_the_crm_is_in_its_table() -> None:
    told = section(TRIGGERS, "Webhooks of HighLevel")
    first_cells = re.findall(r"^\|(.*?)\|", told, re.MULTILINE)

    assert codes(" ".join(first_cells)) == {
        *highlevel_payloads._READERS,
        *highlevel_payloads._REFUSED,
    }


def test_only_the_types_that_carry_the_state_before_are_named_for_it() -> None:
    told = codes(section(TRIGGERS, "Conditions on what happened"))

    assert told & set(EVENT_TYPES) == {name for name, kind in EVENT_TYPES.items() if kind.compares}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if anchor:
            headings = HEADING.findall(file.read_text(encoding="utf-8"))
            assert anchor in [slug(heading) for heading in headings], target


def slug(heading: str) -> str:
    """Return the anchor that a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    assert f"(docs/{page.name})" in README


def test_the_commands_of_the_readme_are_what_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    first, second = blocks(README, "")[0].splitlines()

    assert second == "python3 -m uv run pytest"
    assert second in ci
    install, _, demo = first.partition(" && ")
    assert install.removeprefix("python3 ") in "\n".join(ci).replace("--quiet ", "")
    assert demo == "python3 -m uv run enrollment demo"


@pytest.mark.parametrize("form", blocks(ENROLLMENT, "yaml"))
def test_the_forms_in_the_guide_are_valid(form: str) -> None:
    assert dg.validate_run_config(defs.resolve_job_def("submit_enrollment"), yaml.safe_load(form))


def test_the_guide_shows_the_form_of_each_selection() -> None:
    config = [
        yaml.safe_load(form)["ops"]["create_enrollment_job"]["config"]
        for form in blocks(ENROLLMENT, "yaml")
    ]

    assert {kind for form in config for kind in form["selection"]} == {"csv", "ids", "filter"}


def test_the_python_of_the_guide_submits_a_job_whose_document_is_explained(
    account: Account,
    settings: Settings,
    add_workflow: Callable[..., object],
    owner: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_workflow(account)
    monkeypatch.chdir(ROOT)
    (code,) = blocks(ENROLLMENT, "python")
    names: dict[str, Any] = {}

    exec(code.replace('"demo"', repr(account.name)), names)

    document = service.describe(names["database"], settings, account, names["job_id"])
    told = re.findall(r"`([a-z_]+)`", section(CLI, "The document of a job"))
    assert set(document) <= set(told)
    names["database"].close()
    with owner.begin() as connection:
        # Not to be started by a test of the queue, which sees the jobs of all accounts.
        done = connection.execute(
            text(
                "update enrollment.enrollment_jobs set runner = 'caller' "
                "where id = :id and account_id = :account"
            ),
            {"id": names["job_id"], "account": account.id},
        )
    assert names["created"]
    assert done.rowcount == 1
