"""What is wrong with what was asked for, whatever it is about."""

from enrollment_pipeline.errors.base import InvalidRequestError, RefusedError


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


class ContactNotFoundError(RefusedError):
    """There is no such contact in this account."""

    code = "CONTACT_NOT_FOUND"
    remedy = "Name a contact by its id or its e-mail address."


class TooManyContactsError(RefusedError):
    """The selection holds more contacts than one job may."""

    code = "TOO_MANY_CONTACTS"
    remedy = "Narrow the selection, split it into several jobs, or have the account's limit raised."


class RequestIdUsedError(RefusedError):
    """The request id stands for another request already."""

    code = "REQUEST_ID_USED"
    remedy = "Use a new request id for a new request, or send the request as it was."
