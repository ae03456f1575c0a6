"""`enrollment demo` as the installed program: twice, and outside of a checkout."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.records import Account
from enrollment_pipeline.samples.enroll_me import Kind
from enrollment_pipeline.samples.generator import make_samples

Program = Callable[..., Any]
CHECKOUT = Path(__file__).resolve().parents[2]

# What must become of each kind when nobody is enrolled yet.
FIRST_TIME = {
    Kind.PLAIN: ("enrolled", None),
    Kind.LETTER_CASE: ("enrolled", None),
    Kind.SPACES: ("enrolled", None),
    Kind.INVISIBLE: ("enrolled", None),
    Kind.LINE_BREAK: ("enrolled", None),
    Kind.QUOTES: ("enrolled", None),
    Kind.FORMULA_NAME: ("enrolled", None),
    Kind.OTHER_SCRIPT: ("enrolled", None),
    Kind.EMPTY_FIELDS: ("enrolled", None),
    Kind.DUPLICATE: ("duplicate", "DUPLICATE"),
    Kind.UNSUBSCRIBED: ("skipped", "CONTACT_BLOCKED"),
    Kind.BOUNCED: ("skipped", "CONTACT_BLOCKED"),
    Kind.BLOCKED: ("skipped", "CONTACT_BLOCKED"),
    Kind.UNKNOWN: ("unmatched", "UNMATCHED"),
    Kind.NO_ADDRESS: ("unmatched", "UNMATCHED"),
    Kind.FORMULA: ("unmatched", "UNMATCHED"),
    Kind.BLANK: ("rejected", "REJECTED"),
    Kind.SHORT: ("rejected", "REJECTED"),
    Kind.LONG: ("rejected", "REJECTED"),
    Kind.STRAY_QUOTE: ("rejected", "REJECTED"),
    Kind.OPEN_QUOTE: ("rejected", "REJECTED"),
}


@pytest.mark.slow
def test_the_demo_tells_the_truth_about_every_kind_of_row_and_can_be_repeated(
    program: Program, account: Account, home: Path, tmp_path: Path
) -> None:
    first = program("demo", "--account", account.name, "--json", cwd=CHECKOUT)
    assert first.code == 0, first.err
    document = first.json

    assert document["contacts"]["outcomes"]["created"] == 10_000
    assert document["samples"]["enroll_me"] == str(CHECKOUT / "data" / "samples" / "enroll-me.csv")
    told = {kind["kind"]: kind for kind in document["kinds"]}
    expected = {kind: sum(row.kind is kind for row in make_samples().rows) for kind in FIRST_TIME}
    assert {kind: told[kind]["outcomes"] for kind in FIRST_TIME} == {
        kind: {outcome: expected[kind]} for kind, (outcome, _) in FIRST_TIME.items()
    }
    assert {kind: told[kind]["code"] for kind in FIRST_TIME} == {
        kind: code for kind, (_, code) in FIRST_TIME.items()
    }
    counts: dict[str, int] = {}
    for kind, (outcome, _) in FIRST_TIME.items():
        counts[outcome] = counts.get(outcome, 0) + expected[kind]
    outcomes = document["job"]["outcomes"]
    assert {name: number for name, number in outcomes.items() if number} == counts
    assert document["job"]["status"] == "completed"

    # Outside of a checkout there are no sample files: they are made in the home folder.
    outside = {**os.environ, "ENROLLMENT_DATA": str(tmp_path)}
    second = program("demo", "--account", account.name, cwd=tmp_path, env=outside)
    assert second.code == 0, second.err

    enrolled = counts["enrolled"]
    assert second.out.startswith(
        f"Nobody was enrolled: {enrolled} of the 1,000 rows name contacts that are in Welcome"
    )
    assert "skipped: the contact has unsubscribed" in second.out
    assert f"The list: {home / 'samples' / 'enroll-me.csv'}" in second.out
    assert f"--account {account.name} preview" in second.out
    report = next(line for line in second.out.splitlines() if line.startswith("Its report: "))
    assert Path(report.removeprefix("Its report: ")).is_file()


def test_the_demo_leaves_a_paused_workflow_alone(
    program: Program, account: Account, add_workflow: Any
) -> None:
    add_workflow(account, "Welcome", status="paused")

    answer = program("demo", "--account", account.name, "--json")

    assert answer.code == 3
    assert answer.json["error"]["code"] == "WORKFLOW_INACTIVE"
