"""Whether a step that failed is tried again, and after what wait; pure.

Source of the numbers: spec "Steps" of batch onboarding. Does not belong here: the attempt itself
(`calling`).
"""

from dataclasses import dataclass

from enrollment_pipeline.web.answers import asks_for_patience
from enrollment_pipeline.workflows.step_errors import StepError
from enrollment_pipeline.workflows.steps import PolicyName


@dataclass(frozen=True, slots=True)
class Policy:
    """The wait after the first attempt and the longest one, in seconds; each is `factor` longer."""

    first: float
    factor: float
    most: float
    attempts: int


STANDARD = Policy(first=1, factor=2, most=60, attempts=3)
SLOW = Policy(first=5, factor=2, most=600, attempts=5)
"""For services that take minutes to come back."""

_POLICIES: dict[PolicyName, Policy] = {"standard": STANDARD, "slow": SLOW}


def policy_of(name: PolicyName) -> Policy:
    """Return the policy that a step names in its `retry`."""
    return _POLICIES[name]


def wait_before(policy: Policy, attempts_made: int, retry_after: float | None) -> float | None:
    """Return the seconds until the next attempt, None where there is none.

    `attempts_made` counts from 1. What the other side asks for (`retry_after`) makes the wait
    longer, up to the longest of the policy, and never shorter.
    """
    if attempts_made >= policy.attempts:
        return None
    own = policy.first * policy.factor ** (attempts_made - 1)
    return min(policy.most, max(own, retry_after or 0.0))


def is_transient(code: StepError, status: int | None = None) -> bool:
    """Return whether a later attempt may succeed without anybody changing anything."""
    if code is StepError.HTTP_STATUS:
        return status is not None and asks_for_patience(status)
    return code in _TRANSIENT


_TRANSIENT = frozenset({StepError.HTTP_TIMEOUT, StepError.HTTP_UNREACHABLE})
