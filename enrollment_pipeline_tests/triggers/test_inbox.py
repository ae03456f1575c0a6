"""Files of events in the inbox: taken whole, once, or refused with a reason."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import FileTooLargeError, ForbiddenError, InvalidFileError
from enrollment_pipeline.inbox.route import CheckedCopy, Taken
from enrollment_pipeline.inbox.rules import Identity
from enrollment_pipeline.triggers.inbox import EventsRoute
from enrollment_pipeline_tests.triggers.conftest import Automation, MakeAutomation

Drop = Callable[..., Taken | None]


def line(number: int, **more: object) -> str:
    event = {"event_id": f"f-{number}", "type": "contact_created", "email": "ada@example.com"}
    return json.dumps({**event, **more})


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    """Give the route a file with this content."""

    def take(automation: Automation, content: str) -> Taken | None:
        path = tmp_path / "events.jsonl"
        path.write_text(content)
        copy = CheckedCopy(
            path=path,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            identity=Identity.of(path.stat(), path.name),
            folder="events",
            name=path.name,
        )
        return EventsRoute().take(automation.database, automation.account, copy)

    return take


def test_the_events_of_a_file_are_kept_and_counted(automation: Automation, drop: Drop) -> None:
    content = "\n".join([line(1), "", line(2), "{", line(1), ""])

    taken = drop(automation, content)

    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    assert taken == Taken(digest, "2 events, 1 known one, 1 rejected line")
    automation.work()
    assert {one: bool(why) for one, why in automation.events().items() if "f-" in one} == {
        "f-1": False,
        "f-2": False,
    }


def test_a_file_that_is_taken_twice_changes_nothing(automation: Automation, drop: Drop) -> None:
    first, second = drop(automation, line(1)), drop(automation, line(1))

    assert first is not None
    assert second == Taken(first.mark, "0 events, 1 known one")
    automation.work()
    assert list(automation.events()) == ["f-1"]


PRETTY = json.dumps(json.loads(line(1)), indent=4).replace("}", " }\n}", 1)


@pytest.mark.parametrize(
    "content", ["", "\n\n", PRETTY, "email\nada@example.com\n", "\x89PNG\n\x00\x01"]
)
def test_a_file_without_any_event_is_refused_and_nothing_of_it_kept(
    automation: Automation, drop: Drop, content: str
) -> None:
    with pytest.raises(InvalidFileError, match="Not one line is an event"):
        drop(automation, content)

    assert automation.events() == {}


def test_a_file_with_more_lines_than_allowed_is_refused(
    make_automation: MakeAutomation, drop: Drop
) -> None:
    automation = make_automation(csv_max_lines=2)

    with pytest.raises(FileTooLargeError, match="has 3 lines; at most 2"):
        drop(automation, "\n".join(map(line, range(3))))

    assert automation.events() == {}


def test_the_inbox_needs_the_permission_of_the_account(automation: Automation, drop: Drop) -> None:
    members.add(automation.database, automation.account, "ann", ["account:admin"], actor="ann")

    with pytest.raises(ForbiddenError, match="inbox"):
        drop(automation, line(1))

    assert automation.events() == {}


def test_the_route_says_what_it_takes() -> None:
    route = EventsRoute()

    assert (route.folder, route.suffixes) == ("events", (".jsonl",))
    assert "JSON lines" in route.wrong_name("list.csv").message
