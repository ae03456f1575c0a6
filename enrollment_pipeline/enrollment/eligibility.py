"""Who may be enrolled: the ordered rules, as data.

Belongs here: which rules a request and a workflow call for, their order, codes and words. How a
rule's fact is asked of the database is in `storage/facts.py`.
"""

from collections.abc import Mapping

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import EligibilityRule, Outcome, ReenrollmentPolicy

_EXISTS = (
    EligibilityRule(Reason.CONTACT_NOT_FOUND, "missing", "no such contact in this account"),
    EligibilityRule(Reason.CONTACT_NOT_FOUND, "deleted", "the contact was deleted"),
)
_REACHABLE = (
    EligibilityRule(Reason.CONTACT_BLOCKED, "blocked", "the contact is blocked"),
    EligibilityRule(Reason.CONTACT_BLOCKED, "bounced", "mail to the contact bounced"),
)
_SUBSCRIBED = EligibilityRule(
    Reason.CONTACT_BLOCKED, "unsubscribed", "the contact has unsubscribed"
)
_NOT_NOW = EligibilityRule(
    Reason.ALREADY_ENROLLED, "enrolled_now", "the contact is active in this workflow"
)
_NEVER = EligibilityRule(
    Reason.ALREADY_ENROLLED,
    "enrolled_ever",
    "the contact is or was in this workflow, which takes a contact only once",
)
_REQUIRED = {
    "email": EligibilityRule(
        Reason.VALIDATION_ERROR, "email_blank", "the contact has no e-mail address"
    ),
    "phone": EligibilityRule(
        Reason.VALIDATION_ERROR, "phone_blank", "the contact has no phone number"
    ),
}


def rules_for(
    *,
    skip_unsubscribed: bool,
    reenrollment: ReenrollmentPolicy,
    required_fields: tuple[str, ...],
) -> tuple[EligibilityRule, ...]:
    """Return the rules in the order in which they give a contact its code (spec "Eligibility").

    `after_exit` and `always` differ from `never_twice` alike: both let a contact in again once no
    enrollment of it is active, because two active ones are never allowed.
    """
    return (
        *_EXISTS,
        *_REACHABLE,
        *((_SUBSCRIBED,) if skip_unsubscribed else ()),
        _NEVER if reenrollment is ReenrollmentPolicy.NEVER_TWICE else _NOT_NOW,
        *(_REQUIRED[field] for field in ("email", "phone") if field in required_fields),
    )


_OUTCOMES = {
    Reason.DUPLICATE: Outcome.DUPLICATE,
    Reason.UNMATCHED: Outcome.UNMATCHED,
    Reason.REJECTED: Outcome.REJECTED,
    Reason.ALREADY_ENROLLED: Outcome.ALREADY_ENROLLED,
    Reason.CONTACT_NOT_FOUND: Outcome.SKIPPED,
    Reason.CONTACT_BLOCKED: Outcome.SKIPPED,
    Reason.VALIDATION_ERROR: Outcome.SKIPPED,
}


def outcome_of(code: str) -> Outcome:
    """Return the outcome that a code stands for; whatever is no exclusion is a failure."""
    return _OUTCOMES.get(Reason(code), Outcome.FAILED)


def count_by_outcome(codes: Mapping[str, int]) -> dict[Outcome, int]:
    """Add up counts by code into counts by outcome."""
    counts: dict[Outcome, int] = {}
    for code, number in codes.items():
        outcome = outcome_of(code)
        counts[outcome] = counts.get(outcome, 0) + number
    return counts
