"""Every code the product answers with, and the exceptions that carry them.

Two kinds of trouble live here:

* `Reason`: why one contact or one input row did not end as enrolled. A reason is a value; it is
  recorded, counted and reported, never raised.
* `ProductError`: why a whole request cannot go on.

A new error is a class in the module that it belongs to, and two lines here. What does not belong
here: texts for success, log messages, anything that does I/O, and why a step for one item failed
(`workflows/step_errors.py`).
"""

from enrollment_pipeline.errors.accounts import (
    AccountExistsError,
    AccountNotFoundError,
    ChannelNotFoundError,
    ForbiddenError,
    MemberNotFoundError,
    NotASubAccountError,
)
from enrollment_pipeline.errors.base import (
    InvalidRequestError,
    ProductError,
    RefusedError,
    error_from,
)
from enrollment_pipeline.errors.onboarding import (
    ItemBusyError,
    NothingAcceptedError,
    OnboardingBatchNotFoundError,
    OnboardingItemNotFoundError,
)
from enrollment_pipeline.errors.reasons import (
    Reason,
)
from enrollment_pipeline.errors.requests import (
    ContactNotFoundError,
    FileTooLargeError,
    InvalidConditionError,
    InvalidFileError,
    PathNotAllowedError,
    RequestIdUsedError,
    TooManyContactsError,
)
from enrollment_pipeline.errors.surroundings import (
    AnswerNotWrittenError,
    ConfigurationError,
    DatabaseOutdatedError,
    DatabasePrivilegesError,
    DatabaseUnavailableError,
    InterruptedByUserError,
    UsageError,
)
from enrollment_pipeline.errors.templates import (
    InvalidTemplateError,
    TemplateExistsError,
    TemplateFixedError,
    TemplateLimitError,
    TemplateNotFoundError,
)
from enrollment_pipeline.errors.work import (
    CheckFailedError,
    DependencyFailedError,
    DetailsPrunedError,
    InvalidStateError,
    JobIncompleteError,
    JobNotFoundError,
    JobPausedError,
    NothingToRetryError,
    NotReversibleError,
    OperationNotFoundError,
    RunFailedError,
    TooManyChangesError,
    TooManyFailuresError,
    TooManyJobsError,
    TooManyOperationsError,
)
from enrollment_pipeline.errors.workflows import (
    IntegrationMissingError,
    InvalidTriggerError,
    InvalidWorkflowError,
    TriggerExistsError,
    TriggerLoopError,
    TriggerNotFoundError,
    WorkflowChangedError,
    WorkflowExistsError,
    WorkflowInactiveError,
    WorkflowLimitError,
    WorkflowNotFoundError,
    WrongSubjectError,
)

__all__ = [
    "AccountExistsError",
    "AccountNotFoundError",
    "AnswerNotWrittenError",
    "ChannelNotFoundError",
    "CheckFailedError",
    "ConfigurationError",
    "ContactNotFoundError",
    "DatabaseOutdatedError",
    "DatabasePrivilegesError",
    "DatabaseUnavailableError",
    "DependencyFailedError",
    "DetailsPrunedError",
    "FileTooLargeError",
    "ForbiddenError",
    "IntegrationMissingError",
    "InterruptedByUserError",
    "InvalidConditionError",
    "InvalidFileError",
    "InvalidRequestError",
    "InvalidStateError",
    "InvalidTemplateError",
    "InvalidTriggerError",
    "InvalidWorkflowError",
    "ItemBusyError",
    "JobIncompleteError",
    "JobNotFoundError",
    "JobPausedError",
    "MemberNotFoundError",
    "NotASubAccountError",
    "NotReversibleError",
    "NothingAcceptedError",
    "NothingToRetryError",
    "OnboardingBatchNotFoundError",
    "OnboardingItemNotFoundError",
    "OperationNotFoundError",
    "PathNotAllowedError",
    "ProductError",
    "Reason",
    "RefusedError",
    "RequestIdUsedError",
    "RunFailedError",
    "TemplateExistsError",
    "TemplateFixedError",
    "TemplateLimitError",
    "TemplateNotFoundError",
    "TooManyChangesError",
    "TooManyContactsError",
    "TooManyFailuresError",
    "TooManyJobsError",
    "TooManyOperationsError",
    "TriggerExistsError",
    "TriggerLoopError",
    "TriggerNotFoundError",
    "UsageError",
    "WorkflowChangedError",
    "WorkflowExistsError",
    "WorkflowInactiveError",
    "WorkflowLimitError",
    "WorkflowNotFoundError",
    "WrongSubjectError",
    "error_from",
]
