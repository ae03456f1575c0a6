"""What every error is, and the kinds of errors that the others belong to.

An error's docstring is its default message, its `remedy` says what to do. The command line prints
code, message and remedy as one paragraph.
"""

from typing import Any, ClassVar


class ProductError(Exception):
    """The command could not be completed."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    remedy: ClassVar[str] = "Run the command again; if it fails again, look at the logs."
    exit_code: ClassVar[int] = 4

    def __init__(
        self, message: str = "", *, remedy: str = "", details: dict[str, Any] | None = None
    ) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.advice = remedy or self.remedy
        self.details = details or {}
        super().__init__(self.message)

    def as_dict(self) -> dict[str, Any]:
        """Return `{"code", "message", "remedy"}` and, where given, `details`."""
        answer: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "remedy": self.advice,
        }
        if self.details:
            answer["details"] = self.details
        return answer


class RefusedError(ProductError):
    """The request was refused."""

    code = "REFUSED"
    remedy = "Change the request and submit it again."
    exit_code = 3


class InvalidRequestError(RefusedError):
    """The request is not valid."""

    code = "INVALID_REQUEST"
    remedy = "Correct the named field and submit again."


def error_from(document: dict[str, Any]) -> ProductError:
    """Return the error that `as_dict` described, of the class that has its code."""
    code = document["code"]
    kind = next((known for known in _all_errors(ProductError) if known.code == code), ProductError)
    return kind(
        document["message"], remedy=document["remedy"], details=dict(document.get("details", {}))
    )


def _all_errors(kind: type[ProductError]) -> list[type[ProductError]]:
    below = [found for child in kind.__subclasses__() for found in _all_errors(child)]
    return [kind, *below]
