"""Trying triggers out, seeing what came of them, and firing what is due: `enrollment triggers ...`.

Belongs here: arguments and answers. What a trigger is made of is in `triggers`.
"""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.given import json_value, text_or_file
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.trigger_options import TriggerArgument
from enrollment_pipeline.cli.trigger_tables import (
    counts_table,
    days_table,
    log_table,
    preview_parts,
    replay_parts,
    trial_parts,
)
from enrollment_pipeline.errors import UsageError

if TYPE_CHECKING:
    from datetime import date, datetime

    from enrollment_pipeline.records import Account
    from enrollment_pipeline.triggers.service import Totals

_MOST_DAYS = 3_660

ContactOption = Annotated[
    str, typer.Option(metavar="ID-OR-EMAIL", help="The contact that it happens to.")
]
DataOption = Annotated[str | None, typer.Option(metavar="JSON", help="The event's data; or @FILE.")]
PreviousOption = Annotated[
    str | None, typer.Option(metavar="JSON", help="What was so before; or @FILE.")
]
AtOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="ISO time at which it happens. Default: now.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    for name, command in (
        ("preview", preview),
        ("test", try_out),
        ("replay", replay),
        ("log", log),
        ("analytics", analytics),
        ("fire", fire),
    ):
        app.command(name)(command)


def preview(context: typer.Context, trigger: TriggerArgument) -> None:
    """Show how many contacts a trigger's filters match now, and some of them."""
    from datetime import UTC, datetime

    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found = service.find(session.database, session.account, trigger)
    document = service.preview(
        session.database, session.account, found.document, now=datetime.now(UTC)
    )
    session.output.answer(document, *preview_parts(document))


def try_out(
    context: typer.Context,
    trigger: TriggerArgument,
    contact: ContactOption,
    data: DataOption = None,
    previous: PreviousOption = None,
    at: AtOption = None,
) -> None:
    """Show what an event would set off for one contact; nothing is written."""
    from datetime import UTC, datetime

    from enrollment_pipeline.triggers import service

    session = session_of(context)
    happened = {} if data is None else _object(data, "--data")
    before = None if previous is None else _object(previous, "--previous")
    found = service.find(session.database, session.account, trigger)
    document = service.test(
        session.database,
        session.account,
        found,
        contact=contact,
        data=happened,
        previous_state=before,
        at=None if at is None else _day(at) or _instant(at, session.account),
        now=datetime.now(UTC),
    )
    session.output.answer(document, *trial_parts(document))


def replay(
    context: typer.Context,
    trigger: TriggerArgument,
    days: Annotated[
        int, typer.Option(metavar="N", help="How many days to look back, up to 90.")
    ] = 7,
) -> None:
    """Show what the events of the last days would have set off; nothing is written."""
    from datetime import UTC, datetime

    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found = service.find(session.database, session.account, trigger)
    document = service.replay(
        session.database, session.account, found, days=days, now=datetime.now(UTC)
    )
    session.output.answer(document, *replay_parts(document))


def log(
    context: typer.Context,
    trigger: Annotated[
        str | None, typer.Option(metavar="TRIGGER", help="Only what this trigger considered.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="ID-OR-EMAIL", help="Only what happened to this contact.")
    ] = None,
    event_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what came of this event.")
    ] = None,
    result: Annotated[
        str | None, typer.Option(metavar="RESULT", help="Only what came to this, such as fired.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """Show what triggers considered, what came of it and why, newest first."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found = service.list_log(
        session.database,
        session.account,
        trigger=trigger,
        contact=contact,
        event_id=event_id,
        result=result,
        limit=limit,
        page=page,
    )
    session.output.answer(found, log_table(found), f"{found['total']:,} in all")


def analytics(
    context: typer.Context,
    days: Annotated[
        int,
        typer.Option(min=1, max=_MOST_DAYS, metavar="N", help="So many days, today included."),
    ] = 30,
    trigger: Annotated[
        str | None, typer.Option(metavar="TRIGGER", help="Only what this trigger considered.")
    ] = None,
) -> None:
    """Show day by day what triggers came to, and why contacts were not enrolled."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from enrollment_pipeline.triggers import service

    session = session_of(context)
    today = datetime.now(ZoneInfo(session.account.settings.timezone)).date()
    found = service.analytics(
        session.database,
        session.account,
        first=today - timedelta(days=days - 1),
        last=today,
        trigger=trigger,
    )
    refused: Counter[str] = Counter()
    for day in found:
        refused.update(day["refused"])
    in_all: dict[str, Any] = {
        name: sum(day[name] for day in found) for name in ("evaluated", "matched", "enrolled")
    }
    document = {"days": found, "in_all": {**in_all, "refused": dict(refused)}}
    reasons = [counts_table("Not enrolled because", refused)] if refused else []
    session.output.answer(document, days_table(document), *reasons)


def fire(context: typer.Context) -> None:
    """Fire what time triggers have had due since the last look, and evaluate what is pending."""
    from datetime import UTC, datetime

    from enrollment_pipeline.triggers import service

    session = session_of(context)
    occurrences = service.catch_up(
        session.database, session.account, now=datetime.now(UTC), actor=session.requested_by
    )
    totals = service.work_off(session.database, session.settings, account=session.account)
    results = {str(one): number for one, number in occurrences.items()}
    document = {
        "occurrences": occurrences.total(),
        "results": results,
        "evaluated": totals_document(totals),
    }
    shown = [counts_table("Result", results)] if results else []
    session.output.answer(
        document,
        f"{occurrences.total():,} occurrences were due.",
        *shown,
        f"Evaluated: {totals.sentence}",
    )


def totals_document(totals: "Totals") -> dict[str, Any]:
    """Return what an evaluation has done, as plain values."""
    return {
        "events": totals.events,
        "rejected": totals.rejected,
        "released": totals.released,
        "jobs": totals.jobs,
        "results": {str(one): number for one, number in totals.results.items()},
    }


def _object(value: str, option: str) -> dict[str, Any]:
    found = json_value(text_or_file(value, option), option)
    if not isinstance(found, dict):
        raise UsageError(f"{option} must be a JSON object.")
    return found


def _day(text: str) -> "date | None":
    """Return the day that a text names without a time: by the clock of whoever it is about."""
    from datetime import date

    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _instant(text: str, account: "Account") -> "datetime":
    """Return the instant that a time names; without an offset, by the account's clock."""
    from datetime import UTC
    from zoneinfo import ZoneInfo

    from enrollment_pipeline.clocks.local_time import instant_of_local
    from enrollment_pipeline.work.fields import parse_instant

    try:
        found = parse_instant(text)
        if found.tzinfo is None:
            return instant_of_local(found, ZoneInfo(account.settings.timezone))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--at: {text!r} is not an ISO time such as 2027-01-05T09:00.") from None
