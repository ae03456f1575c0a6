"""Work that is asked for now and done later: jobs, operations on contacts, and their runs."""

from enrollment_pipeline.errors.base import ProductError, RefusedError


class TooManyJobsError(RefusedError):
    """The account has as many open jobs as it may have."""

    code = "TOO_MANY_JOBS"
    remedy = "Wait for a job to finish (enrollment list --status processing), then submit again."


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
