"""Every code the product answers with, and the exceptions that carry them.

Two kinds of trouble live here and nowhere else:

* `Reason`: why one contact or one input row did not end as enrolled. A reason is a value; it is
  recorded, counted and reported, never raised.
* `ProductError`: why a whole request cannot go on. Its docstring is the default message, its
  `remedy` says what to do. The command line prints code, message and remedy as one paragraph.

What does not belong here: texts for success, log messages, anything that does I/O.
"""

from enum import StrEnum
from typing import Any, ClassVar


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


class InvalidConditionError(InvalidRequestError):
    """The filter is not valid."""

    code = "INVALID_CONDITION"
    remedy = (
        "Correct the condition at the path given; docs/conditions.md lists fields and operators."
    )


class InvalidFileError(RefusedError):
    """The file cannot be read as a table."""

    code = "INVALID_FILE"
    remedy = "Save the table as CSV (UTF-8, one header line) and try again."


class FileTooLargeError(InvalidFileError):
    """The file is larger than the account allows."""

    code = "FILE_TOO_LARGE"
    remedy = "Split the file, or have the account's limit raised."


class PathNotAllowedError(RefusedError):
    """The path lies outside the folder that files may be read from."""

    code = "PATH_NOT_ALLOWED"
    remedy = "Put the file below the data folder and name it relative to that folder."


class ForbiddenError(RefusedError):
    """Whoever asks may not do this in this account."""

    code = "FORBIDDEN"
    remedy = "Ask an administrator of the account for the permission."


class MemberNotFoundError(RefusedError):
    """The account has no such member."""

    code = "MEMBER_NOT_FOUND"
    remedy = "List the members with: enrollment members list"


class ChannelNotFoundError(RefusedError):
    """The account has no such notification channel."""

    code = "CHANNEL_NOT_FOUND"
    remedy = "List the channels with: enrollment notifications list"


class AccountNotFoundError(RefusedError):
    """There is no such account."""

    code = "ACCOUNT_NOT_FOUND"
    remedy = "Create it with: enrollment accounts create NAME"


class AccountExistsError(RefusedError):
    """An account of that name exists."""

    code = "ACCOUNT_EXISTS"
    remedy = "Choose another name, or use the existing account with --account NAME."


class WorkflowNotFoundError(RefusedError):
    """There is no such workflow in this account."""

    code = "WORKFLOW_NOT_FOUND"
    remedy = "List the workflows with: enrollment workflows list"


class WorkflowExistsError(RefusedError):
    """A workflow of that name exists in this account."""

    code = "WORKFLOW_EXISTS"
    remedy = "Choose another name."


class WorkflowInactiveError(RefusedError):
    """The workflow is not active and takes no enrollments."""

    code = "WORKFLOW_INACTIVE"
    remedy = "Activate it with: enrollment workflows activate NAME"


class WorkflowLimitError(RefusedError):
    """The account has as many workflows as it may have."""

    code = "WORKFLOW_LIMIT"
    remedy = "Archive one with enrollment workflows archive NAME, or have the limit raised."


class WorkflowChangedError(RefusedError):
    """The workflow was changed by somebody else meanwhile."""

    code = "WORKFLOW_CHANGED"
    remedy = "Look at it as it is now (enrollment workflows show NAME --document), and edit that."


class InvalidWorkflowError(InvalidRequestError):
    """The workflow is not valid."""

    code = "INVALID_WORKFLOW"
    remedy = (
        "Correct what is named, at its path; docs/workflows.md lists step types and fields, and "
        "enrollment workflows validate shows everything that is wrong."
    )


class IntegrationMissingError(RefusedError):
    """An integration that is needed is not connected."""

    code = "INTEGRATION_MISSING"
    remedy = "Connect it with: enrollment integrations connect NAME"


class TemplateNotFoundError(RefusedError):
    """There is no such template in this account."""

    code = "TEMPLATE_NOT_FOUND"
    remedy = "List the templates with: enrollment templates list"


class TemplateExistsError(RefusedError):
    """A template of that name exists."""

    code = "TEMPLATE_EXISTS"
    remedy = "Choose another name, or make a new version of it: enrollment templates update"


class TemplateLimitError(RefusedError):
    """The account has as many templates of its own as it may have."""

    code = "TEMPLATE_LIMIT"
    remedy = "Delete one with enrollment templates delete NAME, or have the limit raised."


class TemplateFixedError(RefusedError):
    """The template is not one of the account's own and cannot be changed."""

    code = "TEMPLATE_FIXED"
    remedy = "Clone it, change the clone, and save that as a template of your own."


class InvalidTemplateError(InvalidRequestError):
    """The template is not valid."""

    code = "INVALID_TEMPLATE"
    remedy = "Correct the workflow that it was made from, and save it again."


class NotASubAccountError(RefusedError):
    """The account is not a sub-account of this one."""

    code = "NOT_A_SUB_ACCOUNT"
    remedy = "A template is shared by an agency with its own sub-accounts: see docs/accounts.md."


class InvalidTriggerError(InvalidRequestError):
    """The trigger is not valid."""

    code = "INVALID_TRIGGER"
    remedy = (
        "Correct what is named, at its path; docs/triggers.md lists event types and parameters, "
        "docs/conditions.md fields and operators."
    )


class TriggerNotFoundError(RefusedError):
    """There is no such trigger in this account."""

    code = "TRIGGER_NOT_FOUND"
    remedy = "List the triggers with: enrollment triggers list"


class TriggerExistsError(RefusedError):
    """The workflow has a trigger already."""

    code = "TRIGGER_EXISTS"
    remedy = "Change it with enrollment triggers update, or delete it first."


class TriggerLoopError(RefusedError):
    """The workflow would start itself again and again."""

    code = "TRIGGER_LOOP"
    remedy = "Break the cycle: let one of the steps do something else, or wait for another event."


class ContactNotFoundError(RefusedError):
    """There is no such contact in this account."""

    code = "CONTACT_NOT_FOUND"
    remedy = "Name a contact by its id or its e-mail address."


class TooManyContactsError(RefusedError):
    """The selection holds more contacts than one job may."""

    code = "TOO_MANY_CONTACTS"
    remedy = "Narrow the selection, split it into several jobs, or have the account's limit raised."


class TooManyJobsError(RefusedError):
    """The account has as many open jobs as it may have."""

    code = "TOO_MANY_JOBS"
    remedy = "Wait for a job to finish (enrollment list --status processing), then submit again."


class RequestIdUsedError(RefusedError):
    """The request id stands for another request already."""

    code = "REQUEST_ID_USED"
    remedy = "Use a new request id for a new request, or send the request as it was."


class NothingToRetryError(RefusedError):
    """The job has no failure that can be tried again."""

    code = "NOTHING_TO_RETRY"
    remedy = "Look at its failures with: enrollment failures JOB; --all takes all of them."


class DetailsPrunedError(RefusedError):
    """Details of the job were removed, because they were old."""

    code = "DETAILS_PRUNED"
    remedy = "Use the files of its report: enrollment status JOB"


class JobNotFoundError(RefusedError):
    """There is no such job in this account."""

    code = "JOB_NOT_FOUND"
    remedy = "List the jobs with: enrollment list"


class OperationNotFoundError(RefusedError):
    """There is no such operation in this account."""

    code = "OPERATION_NOT_FOUND"
    remedy = "List the operations with: enrollment operations list"


class TooManyOperationsError(RefusedError):
    """The account has as many open operations as it may."""

    code = "TOO_MANY_OPERATIONS"
    remedy = "Wait until one is done, or cancel one: enrollment operations list"


class NotReversibleError(RefusedError):
    """The operation cannot be rolled back."""

    code = "NOT_REVERSIBLE"
    remedy = "See what it did with: enrollment operations show OPERATION"


class TooManyChangesError(RefusedError):
    """More contacts would change than the request allows."""

    code = "TOO_MANY_CHANGES"
    remedy = "Look at the preview; if it is meant so, allow more with --max-change-share."


class DependencyFailedError(RefusedError):
    """The operation that this one waited for was not completed."""

    code = "DEPENDENCY_FAILED"
    remedy = "Mend what it waited for, and submit both again."


class InvalidStateError(RefusedError):
    """The state does not allow this."""

    code = "INVALID_STATE"
    remedy = "Look at the present state with: enrollment status JOB"


class JobIncompleteError(ProductError):
    """The job still has batches that nobody has finished."""

    code = "JOB_INCOMPLETE"
    remedy = "Go on with it: enrollment resume JOB"


class JobPausedError(ProductError):
    """The job was paused."""

    code = "JOB_PAUSED"
    remedy = "Go on with it: enrollment resume JOB"


class TooManyFailuresError(ProductError):
    """So many contacts failed that the job was paused."""

    code = "TOO_MANY_FAILURES"
    remedy = (
        "Mend the cause, then go on with: enrollment resume JOB; or end it: enrollment cancel JOB"
    )


class ConfigurationError(RefusedError):
    """A setting is missing or wrong."""

    code = "CONFIGURATION_ERROR"
    remedy = "Correct the setting; docs/operations.md lists them all."


class DatabaseUnavailableError(ProductError):
    """The database cannot be reached."""

    code = "DATABASE_UNAVAILABLE"
    remedy = "Check that the server runs and that ENROLLMENT_DATABASE_URL is right, then try again."


class DatabaseOutdatedError(RefusedError):
    """The database schema is not the one this version works with."""

    code = "DATABASE_OUTDATED"
    remedy = "Upgrade it with: enrollment database upgrade"


class DatabasePrivilegesError(ConfigurationError):
    """The role that the product works under could see other accounts' rows."""

    code = "DATABASE_PRIVILEGES"
    remedy = (
        "Let ENROLLMENT_APP_DATABASE_URL name a login role that owns nothing and is no superuser."
    )


class UsageError(ProductError):
    """The command line cannot be understood."""

    code = "USAGE"
    remedy = "See: enrollment --help"
    exit_code = 2


class CheckFailedError(ProductError):
    """The result of the job is not what it must be."""

    code = "CHECK_FAILED"
    remedy = (
        "Look at the checks of this job in the Dagster UI; after mending the cause: enrollment "
        "resume JOB, or enrollment cancel JOB."
    )


class RunFailedError(ProductError):
    """The run ended before the job was done."""

    code = "RUN_FAILED"
    remedy = "Go on with it: enrollment resume JOB"


class AnswerNotWrittenError(ProductError):
    """The answer cannot be written."""

    code = "ANSWER_NOT_WRITTEN"
    remedy = "Make room where standard output leads to; enrollment list shows what was done."


class InterruptedByUserError(ProductError):
    """The command was interrupted."""

    code = "INTERRUPTED"
    remedy = "Look at what it left with: enrollment list, or enrollment operations list"
    exit_code = 130


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
