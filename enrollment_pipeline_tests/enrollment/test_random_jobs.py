"""Random contacts, random input: an oracle in plain Python says what becomes of every row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from enrollment_pipeline.storage import schema
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Document, MakeBulk, manual

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Person:
    """A contact to be; `before` is what it had to do with the workflow until now."""

    status: str
    deleted: bool
    foreign: bool
    before: str


PEOPLE = st.lists(
    st.builds(
        Person,
        status=st.sampled_from(["active", "active", "unsubscribed", "blocked", "bounced"]),
        deleted=st.sampled_from([False, False, False, True]),
        foreign=st.sampled_from([False, False, False, True]),
        before=st.sampled_from(["nothing", "nothing", "active", "ended"]),
    ),
    min_size=8,
    max_size=12,
)
# Whom a row names (more numbers than people), and how it is written.
ROWS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(["plain", "upper", "spaces", "quoted", "blank", "long", "short"]),
    ),
    min_size=15,
    max_size=40,
)
OPTIONS = st.fixed_dictionaries(
    {"skip_unsubscribed": st.booleans(), "batch_size": st.sampled_from([10, 11, 100])}
)
POLICIES = st.sampled_from(["never_twice", "after_exit", "always"])


class World:
    """An account and another one, filled with people."""

    def __init__(
        self,
        make_bulk: MakeBulk,
        add_workflow: Callable[..., UUID],
        people: list[Person],
        policy: str,
    ) -> None:
        self.bulk: Bulk = make_bulk()
        self._other = make_bulk()
        self.people = people
        self.policy = policy
        self.workflow = add_workflow(self.bulk.account, reenrollment=policy)
        self.ids = [uuid4() for _ in people]
        with self.bulk.owner.begin() as connection:
            if people:
                connection.execute(insert(schema.contacts), list(self._contacts()))
            if before := list(self._enrollments()):
                connection.execute(insert(schema.enrollments), before)

    def _contacts(self) -> Iterator[Document]:
        for number, (contact, person) in enumerate(zip(self.ids, self.people, strict=True)):
            side = self._other if person.foreign else self.bulk
            yield {
                "id": contact,
                "account_id": side.account.id,
                "email": f"P{number}@example.com",
                "status": person.status,
                "deleted_at": YESTERDAY if person.deleted else None,
            }

    def _enrollments(self) -> Iterator[Document]:
        for contact, person in zip(self.ids, self.people, strict=True):
            side = self._other if person.foreign else self.bulk
            if person.before != "nothing":
                yield {
                    "account_id": side.account.id,
                    "workflow_id": self.workflow,
                    "contact_id": contact,
                    "status": "active" if person.before == "active" else "exited",
                    "ended_at": None if person.before == "active" else YESTERDAY,
                    "current_step": "start",
                    "source": "api",
                    "source_id": self.workflow,
                }

    def judge(self, number: int, *, skip_unsubscribed: bool) -> str:
        """What becomes of a person when named for the first time, by the rules in order."""
        person = self.people[number]
        if person.foreign or person.deleted:
            return "skipped CONTACT_NOT_FOUND"
        if person.status in ("blocked", "bounced") or (
            person.status == "unsubscribed" and skip_unsubscribed
        ):
            return "skipped CONTACT_BLOCKED"
        if person.before == "active" or (person.before == "ended" and self.policy == "never_twice"):
            return "already_enrolled ALREADY_ENROLLED"
        return "enrolled"

    def hold(self, job_id: UUID, expected: list[str]) -> None:
        """Hold a finished job against what was expected of each row."""
        rows = self.bulk.rows(job_id)
        told = [" ".join(filter(None, (row["outcome"], row["code"]))) for row in rows]
        assert told == expected
        twice = self.bulk.query(
            "select 1 from enrollment.enrollments where workflow_id = :id and ended_at is null "
            "group by contact_id having count(*) > 1",
            id=self.workflow,
        )
        assert not twice


def written(number: int, how: str) -> str:
    address = f"p{number}@example.com"
    return {
        "plain": f"{address},x",
        "upper": f"{address.upper()},x",
        "spaces": f"  {address}\t,x",
        "quoted": f'"{address}","a\n""b"""',
        "blank": " ,x",
        "long": f"{address},x,y",
        "short": address,
    }[how]


def expected_of_file(
    world: World, rows: list[tuple[int, str]], *, skip_unsubscribed: bool
) -> list[str]:
    seen: set[int] = set()
    expected = []
    for number, how in rows:
        if how in ("blank", "long", "short"):
            expected.append("rejected REJECTED")
        elif number >= len(world.people) or (
            world.people[number].foreign or world.people[number].deleted
        ):
            expected.append("unmatched UNMATCHED")
        elif number in seen:
            expected.append("duplicate DUPLICATE")
        else:
            seen.add(number)
            expected.append(world.judge(number, skip_unsubscribed=skip_unsubscribed))
    return expected


def again(expected: list[str]) -> list[str]:
    """What becomes of the same rows in a second job."""
    return ["already_enrolled ALREADY_ENROLLED" if one == "enrolled" else one for one in expected]


@QUICK
@given(people=PEOPLE, rows=ROWS, options=OPTIONS, policy=POLICIES)
def test_every_row_of_a_file_ends_as_the_rules_say(
    make_bulk: MakeBulk,
    add_workflow: Callable[..., UUID],
    people: list[Person],
    rows: list[tuple[int, str]],
    options: Document,
    policy: str,
) -> None:
    world = World(make_bulk, add_workflow, people, policy)
    bulk = world.bulk
    lines = ["email,name", *(written(number, how) for number, how in rows)]
    expected = expected_of_file(world, rows, skip_unsubscribed=options["skip_unsubscribed"])
    job_id = bulk.submit(bulk.csv("\n".join(lines)), **options)
    job = bulk.finish(job_id)
    world.hold(job_id, expected)
    assert job["input_rows"] == len(rows)
    assert job["status"] == "completed"


@settings(QUICK, max_examples=15)
@given(
    people=PEOPLE,
    numbers=st.lists(st.integers(-2, 12), min_size=15, max_size=40),
    options=OPTIONS,
    policy=POLICIES,
)
def test_every_id_ends_as_the_rules_say_the_first_time_and_the_second(
    make_bulk: MakeBulk,
    add_workflow: Callable[..., UUID],
    people: list[Person],
    numbers: list[int],
    options: Document,
    policy: str,
) -> None:
    world = World(make_bulk, add_workflow, people, policy)
    known = dict(enumerate(world.ids))
    ids = ["no id" if number < 0 else known.get(number, UUID(int=number)) for number in numbers]
    expected: list[str] = []
    for place, number in enumerate(numbers):
        if number < 0:
            expected.append("rejected REJECTED")
        elif number in numbers[:place]:
            expected.append("duplicate DUPLICATE")
        elif number >= len(people):
            expected.append("skipped CONTACT_NOT_FOUND")
        else:
            expected.append(world.judge(number, skip_unsubscribed=options["skip_unsubscribed"]))
    for wanted in (expected, again(expected)):
        job_id = world.bulk.submit(manual(ids), **options)
        world.bulk.finish(job_id)
        world.hold(job_id, wanted)
