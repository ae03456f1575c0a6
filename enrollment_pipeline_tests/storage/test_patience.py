"""Riding out an outage: work that may be repeated is, as long as the reason passes."""

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from enrollment_pipeline.errors import DatabaseUnavailableError
from enrollment_pipeline.storage.patience import OUTAGE_WAITS, patiently


class Stumbling:
    """Work that fails with each of these errors in turn, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.slept: list[float] = []

    def __call__(self) -> str:
        if self._failures:
            raise self._failures.pop(0)
        return "done"

    def ride_out(self) -> str:
        return patiently(self, sleep=self.slept.append)


def lost() -> DBAPIError:
    return OperationalError("", None, psycopg.OperationalError("server closed the connection"))


@pytest.mark.parametrize(
    "failure",
    [
        lost(),
        OperationalError("", None, errors.AdminShutdown()),
        OperationalError("", None, errors.DeadlockDetected()),
        DatabaseUnavailableError(),
    ],
    ids=["lost", "shut down", "deadlock", "unavailable"],
)
def test_what_passes_is_waited_for(failure: Exception) -> None:
    work = Stumbling(failure, failure)
    assert work.ride_out() == "done"
    assert work.slept == list(OUTAGE_WAITS[:2])


def test_after_a_minute_it_is_an_error() -> None:
    work = Stumbling(*(lost() for _ in range(len(OUTAGE_WAITS) + 1)))
    with pytest.raises(DatabaseUnavailableError, match="server closed the connection"):
        work.ride_out()
    assert sum(work.slept) == pytest.approx(60.7)


def test_the_last_attempt_counts() -> None:
    assert Stumbling(*(lost() for _ in OUTAGE_WAITS)).ride_out() == "done"


@pytest.mark.parametrize(
    "failure",
    [ProgrammingError("", None, errors.InsufficientPrivilege()), ValueError("no")],
    ids=["refused", "not the database"],
)
def test_what_would_come_again_is_not_repeated(failure: Exception) -> None:
    work = Stumbling(failure)
    with pytest.raises(type(failure)):
        work.ride_out()
    assert work.slept == []
