"""What a command meets around it: its settings, the database, the terminal."""

from enrollment_pipeline.errors.base import ProductError, RefusedError


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


class AnswerNotWrittenError(ProductError):
    """The answer cannot be written."""

    code = "ANSWER_NOT_WRITTEN"
    remedy = "Make room where standard output leads to; enrollment list shows what was done."


class InterruptedByUserError(ProductError):
    """The command was interrupted."""

    code = "INTERRUPTED"
    remedy = "Look at what it left with: enrollment list, or enrollment operations list"
    exit_code = 130
