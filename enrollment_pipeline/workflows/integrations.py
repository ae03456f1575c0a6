"""The integrations that workflows can need: what names each, and what is asked for to connect it.

Pure. A new integration is one entry here, and a row of docs/workflows.md. Does not belong here:
which of them an account has connected (`connecting`).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """A text that comes with an integration, and that steps may hold a placeholder for."""

    name: str
    says: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Integration:
    """Something outside of the product that carries out steps, or that their texts lead to."""

    name: str
    says: str
    details: tuple[Detail, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the details that must be given to connect it."""
        return tuple(detail.name for detail in self.details if detail.required)

    def knows(self, detail: str) -> bool:
        """Return whether it has a detail of that name."""
        return any(known.name == detail for known in self.details)


_ALL = (
    Integration(
        "email",
        "Sends e-mails.",
        (
            Detail("from_name", "the name that e-mails come from", required=True),
            Detail("from_address", "the address that e-mails come from"),
            Detail("unsubscribe_link", "the page on which a contact unsubscribes", required=True),
        ),
    ),
    Integration("sms", "Sends SMS.", (Detail("from_number", "the number that SMS come from"),)),
    Integration(
        "calendar",
        "Takes appointments.",
        (Detail("booking_link", "the page on which a contact books", required=True),),
    ),
    Integration(
        "reviews",
        "Collects reviews.",
        (Detail("review_link", "the page on which a contact leaves a review", required=True),),
    ),
    Integration("shop", "Sells.", (Detail("link", "the address of the shop", required=True),)),
    Integration(
        "payments",
        "Takes payments.",
        (Detail("billing_link", "the page on which a contact pays", required=True),),
    ),
    Integration(
        "support",
        "Helps.",
        (
            Detail("help_link", "the page with answers", required=True),
            Detail("phone", "the number that helps"),
        ),
    ),
    Integration(
        "role_service",
        "Checks, assesses and publishes roles.",
        (Detail("url", "the address that its requests begin with", required=True),),
    ),
)

INTEGRATIONS: Mapping[str, Integration] = {one.name: one for one in _ALL}
"""All integrations, by name."""
