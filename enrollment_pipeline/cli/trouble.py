"""What any exception means to whoever ran the command: a code, a sentence and a remedy.

Belongs here: exceptions of the libraries below the product. Its own ones say it themselves.
"""

import re

import typer

from enrollment_pipeline.errors import DatabaseUnavailableError, ProductError, Reason, UsageError

DEBUG_VARIABLE = "ENROLLMENT_DEBUG"
_REPORT = f"Run it again with {DEBUG_VARIABLE}=1 to see where it happened, and report that."

# The password in a URL such as postgresql://user:password@host/name.
_PASSWORD = re.compile(r"(//[^\s:/@]*:)\S+@")


def as_product_error(error: Exception) -> ProductError:
    """Return the error in the product's words; secrets in it are masked."""
    if isinstance(error, ProductError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage(error)
    return _database(error) or ProductError(
        f"{type(error).__name__}: {_masked(_first_line(str(error)))}", remedy=_REPORT
    )


def _usage(error: typer.TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "enrollment"
    return UsageError(error.format_message(), remedy=f"See: {path} --help")


def _database(error: Exception) -> ProductError | None:
    # Imported here: by the time a statement can fail, both are loaded.
    import psycopg
    from sqlalchemy import exc

    from enrollment_pipeline.storage.failures import first_line, transient_reason

    if isinstance(error, exc.TimeoutError):
        return DatabaseUnavailableError("All connections to the database are in use.")
    if isinstance(error, psycopg.Error):
        error = exc.DBAPIError("", None, error)
    if not isinstance(error, exc.DBAPIError):
        return None
    # Never the whole text: it holds the statement's parameters, which are people's data.
    sentence = _masked(first_line(error))
    if transient_reason(error) is Reason.DATABASE_ERROR:
        return DatabaseUnavailableError(sentence)
    return ProductError(f"{type(error.orig).__name__}: {sentence}", remedy=_REPORT)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _masked(text: str) -> str:
    return _PASSWORD.sub(r"\1***@", text)
