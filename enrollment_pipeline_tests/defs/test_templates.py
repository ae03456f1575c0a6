"""The form of the Dagster UI that clones a template."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.templates import cloning
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.service import Wanted
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.defs.test_triggers import output_of

Launch = Callable[..., Any]

DOCUMENT = {
    "name": "Lead alert",
    "values": {"shop_link": ""},
    "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
    "steps": [
        {"id": "tells", "type": "notify", "message": "```\nLook at {{values.shop_link}}\n```"},
        {"id": "rests", "type": "wait", "duration": "3 days"},
        {"id": "marks", "type": "add_tag", "tag": "told"},
    ],
}
FILLED = {"shop_link": "https://example.com/shop"}


def the_form() -> dg.JobDefinition:
    return defs.resolve_job_def("clone_template")


@pytest.fixture
def template(database: Database, account: Account) -> templates.Template:
    """The account's own template Lead alert, which asks for one text and needs no integration."""
    workflows.create_from(database, account, DOCUMENT, actor="ann")
    workflow = workflows.find(database, account, "Lead alert")
    saved = templates.save(
        database, account, str(workflow.id), Wanted(category="lead_nurturing"), actor="ann"
    )
    workflows.edit(database, account, str(workflow.id), {"name": "Original"}, actor="ann")
    return saved.template


@pytest.fixture
def launch(instance: dg.DagsterInstance, account: Account) -> Launch:
    """Launch the form; return the result."""

    def run(
        template: str = "Lead alert",
        *,
        again: str | None = None,
        tags: dict[str, str] | None = None,
        **fields: object,
    ) -> Any:
        form = {"account": account.name, "template": template, **fields}
        config = {"ops": {"create_clone": {"config": form}}, **_QUIET}
        if again is None:
            return the_form().execute_in_process(
                instance=instance, run_config=config, tags=tags, raise_on_error=False
            )
        return dg.execute_job(
            dg.reconstructable(the_form),
            instance,
            run_config=config,
            reexecution_options=dg.ReexecutionOptions(again),
        )

    return run


def names(database: Database, account: Account) -> list[str]:
    return [one.workflow.name for one in workflows.list_workflows(database, account)]


def failure_of(result: Any) -> Any:
    (found,) = [one for one in result.all_events if one.is_step_failure]
    return found.step_failure_data.user_failure_data


def tags_of(instance: dg.DagsterInstance, result: Any) -> dict[str, str]:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return dict(run.tags)


def killed_after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, done: bool) -> None:
    """Let the next call of a function be the last thing that a run does, done or not."""
    real = getattr(module, name)

    def die(*arguments: Any, **more: Any) -> None:
        monkeypatch.setattr(module, name, real)
        if done:
            real(*arguments, **more)
        raise ZeroDivisionError

    monkeypatch.setattr(module, name, die)


def test_the_form_makes_a_draft_and_shows_it(
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
) -> None:
    result = launch(requested_by="crm")

    assert result.success
    shown = workflows.show(database, account, "Lead alert")
    told = output_of(result, "create_clone")
    assert {name: told[name] for name in told if name not in ("problems", "diagram", "tree")} == {
        "workflow_id": str(shown.stored.id),
        "workflow": "Lead alert",
        "status": "draft",
        "template": "Lead alert",
        "version": 1,
        "steps": 3,
    }
    assert [one["path"] for one in told["problems"]] == ["values.shop_link"]
    assert told["diagram"] == f"```mermaid\n{workflows.mermaid(shown.document).rstrip()}\n```"
    # What the texts hold does not end the block.
    tree = "\n".join(workflows.tree(shown.document))
    assert "```" in tree
    assert told["tree"] == f"````text\n{tree}\n````"
    tags = tags_of(instance, result)
    assert tags["enrollment/account"] == account.name
    assert tags["enrollment/workflow"] == str(shown.stored.id)
    (used,) = templates.usage_of(database, account, str(template.id))["usage"]
    assert used["used_by"] == "crm"


def test_the_form_fills_in_texts_and_activates(
    launch: Launch, database: Database, account: Account, template: Any
) -> None:
    result = launch(name="Mine", values=FILLED, activate=True)

    told = output_of(result, "create_clone")
    assert (told["workflow"], told["status"], told["problems"]) == ("Mine", "active", [])
    shown = workflows.show(database, account, "Mine")
    assert shown.document["values"] == FILLED


def test_the_short_name_of_a_shipped_template_will_do(
    launch: Launch, database: Database, account: Account
) -> None:
    link = "https://example.com/page"
    email = {"from_name": "Ann", "unsubscribe_link": link}
    workflows.connect(database, account, "email", email, actor="ann")
    workflows.connect(database, account, "calendar", {"booking_link": link}, actor="ann")

    result = launch("client-kick-off")

    assert output_of(result, "create_clone")["workflow"] == "Kick-off with a new client"


@pytest.mark.parametrize(
    ("given", "code", "remedy"),
    [
        ({"template": "Nope"}, "TEMPLATE_NOT_FOUND", "enrollment templates"),
        ({"template": "client-kick-off"}, "INTEGRATION_MISSING", "integrations connect email"),
        ({"values": {"other": "x"}}, "INVALID_REQUEST", "shop_link"),
        ({"name": "Original"}, "WORKFLOW_EXISTS", "another name"),
        ({"account": "nobody"}, "ACCOUNT_NOT_FOUND", "enrollment accounts"),
    ],
)
def test_a_refused_form_names_code_and_remedy_and_makes_nothing(
    given: dict[str, Any],
    code: str,
    remedy: str,
    launch: Launch,
    database: Database,
    account: Account,
    template: Any,
) -> None:
    result = launch(**given)

    assert not result.success
    failure = failure_of(result)
    assert failure.description.startswith(f"{code}: ")
    assert failure.metadata["code"].value == code
    assert remedy in failure.metadata["remedy"].value
    assert names(database, account) == ["Original"]


def test_what_cannot_be_activated_stays_a_draft_which_a_repeated_run_activates(
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
) -> None:
    first = launch(activate=True)

    assert "values.shop_link" in failure_of(first).description
    workflow_id = tags_of(instance, first)["enrollment/workflow"]
    assert workflows.show(database, account, workflow_id).workflow.status == "draft"

    workflows.edit(database, account, workflow_id, {"values": FILLED}, actor="ann")
    second = launch(activate=True, again=first.run_id)

    assert second.success
    assert tags_of(instance, second)["enrollment/workflow"] == workflow_id
    assert workflows.show(database, account, workflow_id).workflow.status == "active"
    assert names(database, account) == ["Lead alert", "Original"]


def test_a_run_that_is_repeated_makes_no_second_clone(
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
) -> None:
    first = launch()
    second = launch(again=first.run_id)
    third = launch(again=second.run_id)

    assert third.success
    made = {tags_of(instance, one)["enrollment/workflow"] for one in (first, second, third)}
    assert made == {str(workflows.find(database, account, "Lead alert").id)}
    assert names(database, account) == ["Lead alert", "Original"]


@pytest.mark.parametrize("name", ["", "Mine"])
def test_a_run_killed_right_after_the_commit_is_repeated_without_a_second_clone(
    name: str,
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed_after(monkeypatch, cloning.templates, "clone", done=True)
    first = launch(name=name)
    assert not first.success
    assert "enrollment/workflow" not in tags_of(instance, first)

    second = launch(name=name, again=first.run_id)

    assert second.success
    found = workflows.find(database, account, name or "Lead alert")
    assert tags_of(instance, second)["enrollment/workflow"] == str(found.id)
    assert names(database, account) == sorted([name or "Lead alert", "Original"])


def test_a_run_killed_before_the_commit_is_done_when_it_is_repeated(
    launch: Launch,
    database: Database,
    account: Account,
    template: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed_after(monkeypatch, cloning.templates, "clone", done=False)
    first = launch()
    assert names(database, account) == ["Original"]

    assert launch(again=first.run_id).success
    assert names(database, account) == ["Lead alert", "Original"]


@pytest.mark.parametrize("who", ["another launch", "another actor"])
def test_what_others_cloned_since_then_is_not_taken_for_the_clone_of_a_killed_run(
    who: str,
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed_after(monkeypatch, cloning.templates, "clone", done=False)
    first = launch()
    if who == "another launch":
        assert launch().success
    else:
        templates.clone(database, account, "Lead alert", actor="bob")

    second = launch(again=first.run_id)

    made = tags_of(instance, second)["enrollment/workflow"]
    assert workflows.find(database, account, made).name == "Lead alert 2"
    assert names(database, account) == ["Lead alert", "Lead alert 2", "Original"]


def test_a_form_that_is_launched_anew_makes_another_clone_even_with_the_tags_of_the_first(
    launch: Launch,
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    template: Any,
) -> None:
    first = launch()

    assert launch(tags=tags_of(instance, first)).success
    assert names(database, account) == ["Lead alert", "Lead alert 2", "Original"]


def test_a_repeated_run_with_another_name_is_the_same_request(
    launch: Launch, database: Database, account: Account, template: Any
) -> None:
    first = launch()

    assert launch(name="Other", again=first.run_id).success
    assert names(database, account) == ["Lead alert", "Original"]


def test_a_repeated_run_of_another_template_is_refused(
    launch: Launch, database: Database, account: Account, template: Any
) -> None:
    first = launch()
    workflow = workflows.find(database, account, "Original")
    templates.save(database, account, str(workflow.id), Wanted(name="Another"), actor="ann")

    again = launch("Another", again=first.run_id)

    assert failure_of(again).metadata["code"].value == "REQUEST_ID_USED"
    assert names(database, account) == ["Lead alert", "Original"]
