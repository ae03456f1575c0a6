"""The words of an e-mail; pure.

Belongs here: subject and body for each event and each kind of subject. Does not belong here: what
is told (`message`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from enrollment_pipeline.notifications.message import Event

_LONGEST_SUBJECT = 200

# What can be taken back; an export changes nothing, and what was taken back stays so.
_REVERSIBLE = ("import", "update", "delete")


def subject_of(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the subject of an e-mail: one line, without control characters."""
    if event is Event.TEMPLATE_UPDATED:
        told = f"An update for {payload['workflow_name']}: version {payload['version']}"
    elif event in (Event.ONBOARDING_FINISHED, Event.ONBOARDING_STEP):
        told = _onboarding_subject(event, payload)
    elif "operation_id" in payload:
        told = _operation_subject(event, payload)
    else:
        outcomes = payload["outcomes"]
        told = _JOB_SUBJECTS[event].format(
            workflow=payload["workflow_name"],
            rows=f"{payload['input_rows']:,}",
            enrolled=f"{outcomes['enrolled']:,}",
            failed=f"{outcomes['failed'] + outcomes['unprocessed']:,}",
        )
    return _one_line(told)[:_LONGEST_SUBJECT]


def body_of(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the text of an e-mail."""
    if event is Event.TEMPLATE_UPDATED:
        return _update_body(payload)
    if event is Event.ONBOARDING_FINISHED:
        return _batch_body(payload)
    if event is Event.ONBOARDING_STEP:
        return _item_body(payload)
    if "operation_id" in payload:
        return _operation_body(event, payload)
    return _job_body(event, payload)


def _job_body(event: Event, payload: Mapping[str, Any]) -> str:
    job_id = payload["job_id"]
    links = payload["links"]
    facts = {
        "Workflow": payload["workflow_name"],
        "Status": payload["status"],
        "Reason": payload["reason"],
        "Requested by": payload["requested_by"],
        "Duration": _duration(payload["duration_seconds"]),
        "Job": job_id,
        "In the UI": links["ui"],
        "Report": links["report"],
    }
    return _lines(
        _JOB_SENTENCES[event].format(job=job_id),
        "",
        *_told(facts),
        "",
        *_counted("input rows", payload["input_rows"], payload["outcomes"].items()),
    )


def _operation_subject(event: Event, payload: Mapping[str, Any]) -> str:
    name = _OPERATION_NAMES[payload["type"]]
    told = _OPERATION_SUBJECTS[event].format(name=name).capitalize()
    if event is Event.OPERATION_SCHEDULED:
        return f"{told}: {_start(payload)}"
    if event is Event.RUN_FAILED:
        return told
    counts = ", ".join(f"{number:,} {outcome}" for outcome, number in _most_first(payload))
    # An operation may end before it has looked at a row.
    return f"{told}: {counts}" if counts else told


def _operation_body(event: Event, payload: Mapping[str, Any]) -> str:
    operation_id = payload["operation_id"]
    links = payload["links"]
    named = {"name": _OPERATION_NAMES[payload["type"]], "operation": operation_id}
    sentences = [_OPERATION_SENTENCES[event].format(**named)]
    if event in _TAKEN_BACK_AFTER and payload["type"] in _REVERSIBLE and payload["total"]:
        sentences.append(f"Take it back: enrollment operations rollback {operation_id}")
    facts = {
        "Status": payload["status"],
        "Reason": payload["reason"],
        "Requested by": payload["requested_by"],
        "Starts": _start(payload) if event is Event.OPERATION_SCHEDULED else None,
        "Comes again": "yes" if payload["recurring"] else None,
        "Takes back": _prefixed("operation", payload["reverses_id"]),
        "Withdraws": _prefixed("what was enrolled by job", payload["withdraws_job_id"]),
        "Duration": _duration(payload["duration_seconds"]),
        "Operation": operation_id,
        "In the UI": links["ui"],
        "Report": links["report"],
    }
    lines = [*sentences, "", *_told(facts)]
    if payload["total"]:
        lines += ["", *_counted("rows", payload["total"], _most_first(payload))]
    if links["files"]:
        files = sorted(links["files"].items())
        lines += ["", "Files:", *(_one_line(f"  {name}: {where}") for name, where in files)]
    return _lines(*lines)


def _update_body(payload: Mapping[str, Any]) -> str:
    workflow = payload["workflow_id"]
    facts = {
        "Workflow": payload["workflow_name"],
        "Template": payload["template_name"],
        "Version": f"{payload['version']}, the workflow has {payload['cloned_version']}",
        "Changes": f"{payload['changes']:,}",
    }
    return _lines(
        "The template that a workflow was made from has a newer version. The workflow stays as it "
        "is, until somebody takes over what is new.",
        "",
        *_told(facts),
        "",
        f"What is new:  enrollment templates diff --workflow {workflow}",
        f"Take it over: enrollment templates merge {workflow} --all-unchanged",
    )


def _onboarding_subject(event: Event, payload: Mapping[str, Any]) -> str:
    if event is Event.ONBOARDING_STEP:
        return f"Onboarding of {payload['role_name']} ({payload['company']})"
    counts = ", ".join(f"{number:,} {status}" for status, number in _most_first(payload))
    return f"Onboarding for {payload['company']} has finished: {counts}"


def _batch_body(payload: Mapping[str, Any]) -> str:
    batch_id = payload["batch_id"]
    rate = payload["success_rate"]
    facts = {
        "Company": payload["company"],
        "State": payload["state"],
        "Succeeded": None if rate is None else f"{rate} %",
        "Requested by": payload["requested_by"],
        "Batch": batch_id,
        "In the UI": payload["links"]["ui"],
    }
    return _lines(
        "Every item of the batch has ended. Which, and why: "
        f"enrollment onboarding status {batch_id} --items",
        "",
        *_told(facts),
        "",
        *_counted("items", payload["total"], _most_first(payload)),
    )


def _item_body(payload: Mapping[str, Any]) -> str:
    facts = {
        "Role": payload["role_name"],
        "Company": payload["company"],
        "Step": payload["step"],
        "Batch": payload["batch_id"],
        "In the UI": payload["links"]["ui"],
    }
    return _lines(*(_one_line(line) for line in payload["message"].splitlines()), "", *_told(facts))


def _lines(*lines: str) -> str:
    return "\n".join([*lines, ""])


def _told(facts: Mapping[str, object]) -> list[str]:
    return [
        f"{name + ':':<14}{_one_line(str(fact))}"
        for name, fact in facts.items()
        if fact is not None
    ]


def _counted(title: str, total: int, counts: Iterable[tuple[str, int]]) -> list[str]:
    return [
        f"{name:<18}{number:>12,}"
        for name, number in ((title, total), *((name, number) for name, number in counts if number))
    ]


def _most_first(payload: Mapping[str, Any]) -> list[tuple[str, int]]:
    # JSON that the database has kept is in no order that means anything.
    counts = [(outcome, number) for outcome, number in payload["counts"].items() if number]
    return sorted(counts, key=lambda one: (-one[1], one[0]))


def _start(payload: Mapping[str, Any]) -> str:
    if payload["after_id"] is not None:
        return f"after operation {payload['after_id']}"
    return datetime.fromisoformat(payload["scheduled_at"]).isoformat(" ", "minutes")


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=round(seconds))


def _prefixed(kind: str, reference: str | None) -> str | None:
    return None if reference is None else f"{kind} {reference}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


_JOB_SUBJECTS = {
    Event.JOB_COMPLETED: "Enrolled into {workflow}: {enrolled} of {rows} rows",
    Event.JOB_COMPLETED_WITH_ERRORS: "Enrolled into {workflow}: {enrolled} of {rows} rows, "
    "{failed} not because of errors",
    Event.JOB_FAILED: "Enrolling into {workflow} failed",
    Event.JOB_CANCELLED: "Enrolling into {workflow} was cancelled: {enrolled} of {rows} rows done",
    Event.JOB_PAUSED: "Enrolling into {workflow} is paused: {enrolled} of {rows} rows done",
    Event.RUN_FAILED: "A run that enrolls into {workflow} failed",
}

_JOB_SENTENCES = {
    Event.JOB_COMPLETED: "The job is completed, and nobody failed.",
    Event.JOB_COMPLETED_WITH_ERRORS: "The job is completed, with errors. Who failed, and why: "
    "enrollment failures {job}",
    Event.JOB_FAILED: "The job failed. Who failed, and why: enrollment failures {job}",
    Event.JOB_CANCELLED: "The job was cancelled. What was enrolled stays.",
    Event.JOB_PAUSED: "The job is paused. Go on with it: enrollment resume {job}",
    Event.RUN_FAILED: "The run ended before the job was done. Go on with it: "
    "enrollment resume {job}",
}

_OPERATION_NAMES = {
    "import": "import",
    "export": "export",
    "update": "update",
    "delete": "deletion",
    "rollback": "rollback",
    "withdrawal": "withdrawal",
}

_OPERATION_SUBJECTS = {
    Event.OPERATION_SCHEDULED: "{name} is scheduled",
    Event.OPERATION_COMPLETED: "{name} completed",
    Event.OPERATION_COMPLETED_WITH_ERRORS: "{name} completed with errors",
    Event.OPERATION_FAILED: "{name} failed",
    Event.OPERATION_CANCELLED: "{name} was cancelled",
    Event.RUN_FAILED: "The run of an operation failed: {name}",
}

_OPERATION_SENTENCES = {
    Event.OPERATION_SCHEDULED: "The {name} is scheduled. Until it starts, its time can be changed "
    "(enrollment operations reschedule {operation}), and it can be cancelled "
    "(enrollment operations cancel {operation}).",
    Event.OPERATION_COMPLETED: "The {name} is completed, without errors.",
    Event.OPERATION_COMPLETED_WITH_ERRORS: "The {name} is completed, with errors. Which rows, and "
    "why: enrollment operations show {operation}",
    Event.OPERATION_FAILED: "The {name} failed. What happened: "
    "enrollment operations show {operation}",
    Event.OPERATION_CANCELLED: "The {name} was cancelled. What it had done before stays.",
    Event.RUN_FAILED: "The run ended before the {name} was done. Go on with it: "
    "enrollment operations resume {operation}",
}

_TAKEN_BACK_AFTER = (
    Event.OPERATION_COMPLETED,
    Event.OPERATION_COMPLETED_WITH_ERRORS,
    Event.OPERATION_FAILED,
    Event.OPERATION_CANCELLED,
)
