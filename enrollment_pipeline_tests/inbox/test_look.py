"""Files given to the destinations of the inbox, and what their answers do to a file."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment.inbox import CsvRoute
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidRequestError,
    TooManyJobsError,
)
from enrollment_pipeline.inbox.rules import Identity
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.inbox.conftest import Collecting
from enrollment_pipeline_tests.inbox_folder import InboxFolder, names_in

EVENTS = '{"type": "tag_added"}\n'
MARK = hashlib.sha256(EVENTS.encode()).hexdigest()[:8]


@pytest.fixture
def events() -> Collecting:
    return Collecting()


@pytest.fixture
def inbox(inbox: InboxFolder, events: Collecting) -> InboxFolder:
    """The inbox with two destinations."""
    inbox.routes = (CsvRoute(), events)
    return inbox


def drop_events(
    inbox: InboxFolder, name: str = "day.jsonl", content: str = EVENTS, folder: str = "events"
) -> Path:
    return inbox.drop(name, content, inbox.root / inbox.account.name / folder)


def reasons(inbox: InboxFolder, folder: str = "events") -> list[list[str]]:
    return list(inbox.rejected(inbox.root / inbox.account.name / folder).values())


@pytest.mark.parametrize("folder", ["events", "Events", "EVENTS"])
def test_a_file_goes_where_its_folder_says_in_any_letter_case(
    inbox: InboxFolder, events: Collecting, folder: str
) -> None:
    drop_events(inbox, folder=folder)
    inbox.drop("list.csv")

    tick = inbox.settle()

    assert events.contents == [EVENTS]
    (job,) = inbox.jobs()
    account = inbox.account.name
    assert sorted(tick.taken) == sorted(
        [
            f"{account}/{folder}/day.jsonl is 1 event.",
            f"{account}/Welcome/list.csv is job {job.id}.",
        ]
    )
    place = inbox.root / account / folder
    assert names_in(place) == ["processed"]
    assert names_in(place / "processed") == [f"day.{MARK}.jsonl"]
    assert (place / "processed" / f"day.{MARK}.jsonl").read_text() == EVENTS


def test_a_destination_gets_a_copy_that_says_which_drop_it_is(
    inbox: InboxFolder, events: Collecting
) -> None:
    found = drop_events(inbox, "day\x07.jsonl").stat()

    inbox.settle()

    (copy,) = events.copies
    assert events.accounts == [inbox.account]
    assert copy.sha256 == hashlib.sha256(EVENTS.encode()).hexdigest()
    assert copy.identity == Identity.of(found, "day\x07.jsonl")
    assert (copy.folder, copy.name) == ("events", "day\x07.jsonl")
    assert copy.shown == copy.path.name == "day\N{REPLACEMENT CHARACTER}.jsonl"
    assert copy.path.parent.parent == inbox.settings.scratch
    assert not copy.path.parent.exists()


def test_a_workflow_that_is_called_like_a_destinations_folder_is_reached_by_its_id(
    inbox: InboxFolder, events: Collecting, add_workflow: Callable[..., UUID]
) -> None:
    workflow = add_workflow(inbox.account, "events")
    inbox.drop("list.csv", place=inbox.root / inbox.account.name / "events")
    inbox.drop("list.csv", place=inbox.root / inbox.account.name / str(workflow))

    tick = inbox.settle()

    assert (len(tick.taken), len(tick.rejected), events.contents) == (1, 1, [])
    (job,) = inbox.jobs()
    assert job.workflow_id == workflow


def test_a_suffix_is_refused_in_the_words_of_the_files_destination(
    inbox: InboxFolder, events: Collecting
) -> None:
    drop_events(inbox, "list.csv")
    inbox.drop("day.jsonl")

    inbox.settle()

    ((code, sentence, advice),) = reasons(inbox)
    assert code == "INVALID_FILE"
    assert (sentence, advice) == ("list.csv holds no events.", "Write one event a line.")
    ((_, sentence, _),) = reasons(inbox, "Welcome")
    assert sentence == '"day.jsonl" is no CSV file by its name.'
    assert (events.contents, inbox.jobs()) == ([], [])


def test_a_suffix_is_known_in_any_letter_case(inbox: InboxFolder, events: Collecting) -> None:
    drop_events(inbox, "day.JSONL")

    inbox.settle()

    assert events.contents == [EVENTS]


def test_a_file_over_the_destinations_limit_is_rejected_without_being_given(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.most = len(EVENTS)
    drop_events(inbox, "fits.jsonl")
    drop_events(inbox, "large.jsonl", EVENTS + "\n")

    inbox.settle()

    ((code, sentence, _),) = reasons(inbox)
    assert code == "FILE_TOO_LARGE"
    assert sentence == '"large.jsonl" has 23 bytes; at most 22 are allowed.'
    assert events.contents == [EVENTS]


def test_what_a_destination_refuses_is_rejected_with_its_reason(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.error = InvalidRequestError("Line 1 is no event.", remedy="Mend line 1.")
    drop_events(inbox)

    tick = inbox.settle()

    assert reasons(inbox) == [["INVALID_REQUEST", "Line 1 is no event.", "Mend line 1."]]
    assert tick.rejected == [
        f"{inbox.account.name}/events/day.jsonl: INVALID_REQUEST: Line 1 is no event."
    ]


def test_who_lacks_a_permission_is_told_how_the_inbox_gets_it(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.error = ForbiddenError("No.", details={"permission": "contacts:manage"})
    drop_events(inbox)
    inbox.settle()
    ((code, sentence, advice),) = reasons(inbox)
    assert (code, sentence) == ("FORBIDDEN", "No.")
    assert (
        f"enrollment --account {inbox.account.name} members add inbox "
        "--permission contacts:manage;" in advice
    )

    # A refusal that no permission would lift keeps its own advice.
    events.error = ForbiddenError("Never.", remedy="Give it up.")
    drop_events(inbox)
    inbox.settle()
    assert ["FORBIDDEN", "Never.", "Give it up."] in reasons(inbox)


def test_an_account_that_is_full_for_one_destination_is_not_for_another(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.error = TooManyJobsError("Enough.")
    for number in range(25):
        drop_events(inbox, f"{number:02}.jsonl")
    inbox.look()
    # Stands behind all of them, and in another letter case of the account.
    inbox.drop("list.csv", place=inbox.root / inbox.account.name.upper() / "Welcome")
    inbox.look(later=5)

    tick = inbox.look(later=10)

    assert (len(inbox.jobs()), len(tick.taken)) == (1, 1)
    assert tick.left == [f"{inbox.account.name}: Enough."]
    # The others would have been refused like the first.
    assert len(events.contents) == 1
    assert tick.waiting == 24
    assert reasons(inbox) == []


def test_an_account_that_is_full_of_jobs_still_takes_events(
    inbox: InboxFolder,
    events: Collecting,
    make_account: Callable[..., Account],
    add_workflow: Callable[..., UUID],
) -> None:
    inbox.account = make_account(max_open_jobs=1)
    add_workflow(inbox.account)
    for number in range(3):
        inbox.drop(f"{number}.csv", f"email\n{number}@example.com\n")
    inbox.look()
    drop_events(inbox)
    inbox.look(later=5)
    tick = inbox.look(later=10)

    assert len(inbox.jobs()) == 1
    assert events.contents == [EVENTS]
    assert len(tick.left) == 1


def test_a_trouble_of_one_destination_is_not_anothers(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.error = ZeroDivisionError()
    drop_events(inbox)
    inbox.drop("list.csv")

    tick = inbox.settle()

    assert (len(inbox.jobs()), len(tick.taken)) == (1, 1)
    assert tick.left == [
        f"{inbox.account.name}/events/day.jsonl: it met an error that nobody expected "
        "(ZeroDivisionError)."
    ]
    events.error = None
    assert len(inbox.look(later=5).taken) == 1


def test_all_destinations_share_one_memory(inbox: InboxFolder, events: Collecting) -> None:
    drop_events(inbox)
    inbox.drop("list.csv")
    tick = inbox.look()
    paths = {f"{inbox.account.name}/events/day.jsonl", f"{inbox.account.name}/Welcome/list.csv"}
    assert (set(tick.looks), set(inbox.memory.looks)) == (paths, paths)

    events.error = ZeroDivisionError()
    inbox.look(later=10)

    # What the one took is forgotten, what the other left is remembered, with when it was tried.
    ((path, look),) = inbox.memory.looks.items()
    assert path == f"{inbox.account.name}/events/day.jsonl"
    assert look.tried_at == inbox.now
    assert len(inbox.memory.told) == 1


def test_a_file_of_which_nothing_was_made_stays_and_waits_anew(
    inbox: InboxFolder, events: Collecting
) -> None:
    events.nothing = True
    path = drop_events(inbox)

    tick = inbox.settle()

    assert (tick.taken, tick.rejected, tick.left, tick.looks) == ([], [], [], {})
    assert path.exists()
    events.nothing = False
    assert inbox.look(later=10).taken == []
    assert len(inbox.look(later=10).taken) == 1


def test_a_file_that_could_not_be_moved_is_given_once_more_as_the_same_drop(
    inbox: InboxFolder, events: Collecting
) -> None:
    path = drop_events(inbox)
    in_the_way = path.parent / "processed"
    in_the_way.write_text("")

    # The file in the way lies there like any other.
    tick = inbox.settle()
    assert any("day.jsonl: it is 1 event and cannot be moved: " in left for left in tick.left)
    assert not in_the_way.exists()
    tick = inbox.look(later=5)

    assert tick.taken == [f"{inbox.account.name}/events/day.jsonl is 1 event."]
    first, second = events.copies
    assert (first.identity, first.sha256) == (second.identity, second.sha256)
    assert first.key == second.key


def test_files_with_the_same_mark_lie_beside_each_other(
    inbox: InboxFolder, events: Collecting
) -> None:
    for _ in range(2):
        path = drop_events(inbox)
        inbox.settle()

    names = set(names_in(path.parent / "processed"))
    (other,) = names - {f"day.{MARK}.jsonl"}
    assert len(names) == 2
    assert re.fullmatch(rf"day\.{MARK}\.[0-9a-f]+\.jsonl", other)


def test_a_misplaced_file_is_told_of_every_destination(inbox: InboxFolder) -> None:
    drop_events(inbox, folder="events/2027")

    inbox.settle()

    ((code, sentence, advice),) = inbox.rejected(inbox.root).values()
    assert code == "PATH_NOT_ALLOWED"
    assert f'"{inbox.account.name}/events/2027"' in sentence
    assert "ACCOUNT/WORKFLOW or ACCOUNT/events" in advice


def test_without_a_destination_for_workflows_their_folders_are_no_place_for_files(
    inbox: InboxFolder, events: Collecting
) -> None:
    inbox.routes = (events,)
    inbox.drop("list.csv")
    drop_events(inbox)

    tick = inbox.settle()

    assert (len(tick.taken), inbox.jobs()) == (1, [])
    ((code, _, _),) = reasons(inbox, "Welcome")
    assert code == "PATH_NOT_ALLOWED"
