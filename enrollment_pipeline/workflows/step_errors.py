"""Why a step for one item failed: codes that are kept with the item, and never raised; pure.

Belongs here: each code with its sentence and its remedy. Does not belong here: which of them may
pass by themselves (`retrying`), and why a whole request cannot go on (`errors`).
"""

from enum import StrEnum
from typing import Any


class StepError(StrEnum):
    """What a step failed for."""

    HTTP_TIMEOUT = "HTTP_TIMEOUT"
    HTTP_UNREACHABLE = "HTTP_UNREACHABLE"
    HTTP_STATUS = "HTTP_STATUS"
    HTTP_HOST_NOT_ALLOWED = "HTTP_HOST_NOT_ALLOWED"
    HTTP_BAD_REQUEST = "HTTP_BAD_REQUEST"
    HTTP_BAD_ANSWER = "HTTP_BAD_ANSWER"
    BAD_VALUE = "BAD_VALUE"
    ENDLESS_WAY = "ENDLESS_WAY"

    @property
    def sentence(self) -> str:
        """What the code means, where nothing more is known."""
        return _SENTENCES[self]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self]

    def as_dict(self, message: str = "") -> dict[str, Any]:
        """Return `{"code", "message", "remedy"}`, as an item keeps it."""
        return {"code": str(self), "message": message or self.sentence, "remedy": self.remedy}


_SENTENCES = {
    StepError.HTTP_TIMEOUT: "The service did not answer in time.",
    StepError.HTTP_UNREACHABLE: "The service could not be reached.",
    StepError.HTTP_STATUS: "The service answered with an error.",
    StepError.HTTP_HOST_NOT_ALLOWED: "The step may not reach this host.",
    StepError.HTTP_BAD_REQUEST: "The request cannot be sent as the step has it.",
    StepError.HTTP_BAD_ANSWER: "The answer of the service is not JSON that can be kept.",
    StepError.BAD_VALUE: "A value of the step cannot be made from what the item holds.",
    StepError.ENDLESS_WAY: "The way through the workflow does not end.",
}

_REMEDIES = {
    StepError.HTTP_TIMEOUT: "Give the step a longer timeout, or see why the service is slow.",
    StepError.HTTP_UNREACHABLE: "See whether the service runs, and whether its address is right.",
    StepError.HTTP_STATUS: "Do what the service says, or correct what the step sends.",
    StepError.HTTP_HOST_NOT_ALLOWED: "Correct the URL of the step, or have the host allowed: "
    "ENROLLMENT_HTTP_HOSTS, ENROLLMENT_HTTP_ALLOW_PRIVATE.",
    StepError.HTTP_BAD_REQUEST: "Correct the URL, the headers or the body of the step, or what its "
    "placeholders hold.",
    StepError.HTTP_BAD_ANSWER: "Let the service answer with JSON of at most 1 MB, or with nothing.",
    StepError.BAD_VALUE: "Correct the placeholders of the step, or the attributes of the item.",
    StepError.ENDLESS_WAY: "Give the cycle of the workflow a way out.",
}
