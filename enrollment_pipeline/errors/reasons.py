"""Why a contact or an input row was not enrolled: codes that are counted, and never raised."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a contact or an input row was not enrolled (spec "Eligibility")."""

    CONTACT_NOT_FOUND = "CONTACT_NOT_FOUND"
    CONTACT_BLOCKED = "CONTACT_BLOCKED"
    ALREADY_ENROLLED = "ALREADY_ENROLLED"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    ENROLLMENT_ERROR = "ENROLLMENT_ERROR"
    DATABASE_ERROR = "DATABASE_ERROR"
    TIMEOUT_ERROR = "TIMEOUT_ERROR"
    RATE_LIMIT_ERROR = "RATE_LIMIT_ERROR"
    TARGET_REFUSED = "TARGET_REFUSED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    DUPLICATE = "DUPLICATE"
    UNMATCHED = "UNMATCHED"
    REJECTED = "REJECTED"

    @property
    def retryable(self) -> bool:
        """Whether a later attempt can succeed without anybody changing the contact."""
        return self in _RETRYABLE

    @property
    def sentence(self) -> str:
        """What the code means, for a person who reads a report."""
        return _SENTENCES[self]


_RETRYABLE = frozenset(
    {
        Reason.ENROLLMENT_ERROR,
        Reason.DATABASE_ERROR,
        Reason.TIMEOUT_ERROR,
        Reason.RATE_LIMIT_ERROR,
    }
)

_SENTENCES = {
    Reason.CONTACT_NOT_FOUND: "No such contact in this account.",
    Reason.CONTACT_BLOCKED: "The contact is blocked, bounced or unsubscribed.",
    Reason.ALREADY_ENROLLED: "The contact is, or was, in this workflow.",
    Reason.VALIDATION_ERROR: "The contact lacks what the workflow needs.",
    Reason.ENROLLMENT_ERROR: "Enrolling this contact failed.",
    Reason.DATABASE_ERROR: "The database could not complete the enrollment.",
    Reason.TIMEOUT_ERROR: "Enrolling took too long and was given up.",
    Reason.RATE_LIMIT_ERROR: "The target refused because of its rate limit.",
    Reason.TARGET_REFUSED: "The target said no to this contact.",
    Reason.OUTCOME_UNKNOWN: "The target did not answer, and the result could not be checked.",
    Reason.DUPLICATE: "The same contact appears earlier in the input.",
    Reason.UNMATCHED: "No contact of this account has this identifier.",
    Reason.REJECTED: "The input row could not be read.",
}
