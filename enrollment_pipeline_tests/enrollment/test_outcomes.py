"""Every input row ends as exactly one outcome, and the counts add up."""

from collections.abc import Callable
from uuid import UUID

from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual


def test_950_known_and_50_unknown_addresses_are_950_contacts_and_50_unmatched(
    bulk: Bulk, add_contacts: Callable[..., list[UUID]], add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    add_contacts(bulk.account, 950)
    known = [f"contact-{number:05}@example.com" for number in range(1, 951)]
    unknown = [f"nobody-{number}@example.com" for number in range(50)]

    job = bulk.enroll(bulk.csv("\n".join(["Email", *known, *unknown])))

    assert job["status"] == "completed"
    assert job["input_rows"] == 1000
    assert job["total_contacts"] == 950
    assert job["total_batches"] == 10
    assert job["outcomes"]["enrolled"] == 950
    assert job["outcomes"]["unmatched"] == 50
    assert job["reasons"] == {"UNMATCHED": 50}
    assert job["progress"]["percent"] == 100.0
