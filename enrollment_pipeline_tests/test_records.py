"""The shared records: what they accept, what they stand for when little is given."""

from dataclasses import FrozenInstanceError
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from enrollment_pipeline.records import (
    Account,
    AccountSettings,
    Outcome,
    ReenrollmentPolicy,
    Subject,
    Workflow,
    WorkflowStatus,
)


def test_an_account_without_settings_has_the_limits_of_the_product() -> None:
    assert AccountSettings.model_validate({}).model_dump() == {
        "timezone": "UTC",
        "max_contacts_per_job": 10_000,
        "max_open_jobs": 10,
        "max_open_operations": 50,
        "max_workflows": 100,
        "max_templates": 10,
        "max_lanes": 5,
        "enrollments_per_minute": None,
        "burst_per_second": None,
        "csv_max_bytes": 10_000_000,
        "csv_max_lines": 1_000_000,
        "business_days": "mon,tue,wed,thu,fri",
        "business_hours": "09:00-17:00",
        "holidays": "",
        "history_days": 90,
        "rollback_hours": 24,
        "operation_days": 30,
        "export_days": 7,
        "onboarding_days": 30,
        "failure_days": 7,
        "max_failure_rows": 1_000,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_contacts_per_job", 0),
        ("max_open_jobs", 0),
        ("max_lanes", 0),
        ("max_lanes", 6),
        ("enrollments_per_minute", 0),
        ("burst_per_second", -1),
        ("history_days", 0),
        ("failure_days", 0),
        ("max_failure_rows", -1),
        ("csv_max_bytes", 0),
        ("csv_max_lines", 0),
        ("timezone", "Europe/Atlantis"),
        ("timezone", ""),
        ("timezone", "../../etc/passwd"),
        ("timezone", "/etc/localtime"),
        ("no_such_setting", 1),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        AccountSettings.model_validate({name: value})

    assert [problem["loc"] for problem in refused.value.errors()] == [(name,)]


def test_a_time_zone_that_is_not_known_is_answered_with_an_example() -> None:
    with pytest.raises(ValidationError, match="'Mars' is not a time zone such as Europe/Berlin"):
        AccountSettings(timezone="Mars")


def test_settings_are_kept_as_the_document_that_gives_them_back() -> None:
    settings = AccountSettings(timezone="Asia/Kathmandu", max_lanes=2)

    kept = settings.model_dump(mode="json", exclude_defaults=True)

    assert kept == {"timezone": "Asia/Kathmandu", "max_lanes": 2}
    assert AccountSettings.model_validate(kept) == settings


def test_a_workflow_without_configuration_enrolls_once_at_a_step_called_start() -> None:
    workflow = Workflow.from_config(UUID(int=1), "Welcome", "draft", {})

    assert workflow == Workflow(
        id=UUID(int=1),
        name="Welcome",
        status=WorkflowStatus.DRAFT,
        reenrollment=ReenrollmentPolicy.NEVER_TWICE,
        required_fields=(),
        first_step="start",
        subject=Subject.CONTACT,
    )


def test_a_workflow_is_what_its_configuration_says() -> None:
    workflow = Workflow.from_config(
        UUID(int=1),
        "Welcome",
        "active",
        {
            "settings": {
                "subject": "item",
                "reenrollment": "after_exit",
                "required_fields": ["email", "phone"],
            },
            "steps": [{"id": "greet"}, {"id": "remind"}],
        },
    )

    assert workflow.status is WorkflowStatus.ACTIVE
    assert workflow.reenrollment is ReenrollmentPolicy.AFTER_EXIT
    assert workflow.required_fields == ("email", "phone")
    assert workflow.first_step == "greet"
    assert workflow.subject is Subject.ITEM


def test_a_row_ends_as_one_of_nine_outcomes() -> None:
    assert [str(outcome) for outcome in Outcome] == [
        "enrolled",
        "already_enrolled",
        "skipped",
        "failed",
        "duplicate",
        "unmatched",
        "rejected",
        "cancelled",
        "unprocessed",
    ]


def test_a_record_does_not_change() -> None:
    account = Account(uuid4(), "Example", AccountSettings())

    with pytest.raises(FrozenInstanceError):
        account.name = "Other"
    with pytest.raises(ValidationError, match="frozen"):
        account.settings.max_lanes = 1
