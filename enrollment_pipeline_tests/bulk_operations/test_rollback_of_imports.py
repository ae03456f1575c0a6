"""An import, then its rollback: the table is what it was, byte for byte, or says what it is not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations import engine, service
from enrollment_pipeline.bulk_operations.direct import do_now
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.errors import NotReversibleError, RefusedError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Document = dict[str, Any]
SIZES = [pytest.param(2_000), pytest.param(100_000, marks=[pytest.mark.slow])]
KEEPING = [pytest.param(*size.values, "keep", marks=size.marks) for size in SIZES]


class Contacts:
    """The contacts of one account, and operations on them."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        owner: Engine,
        account: Account,
        folder: Path,
    ) -> None:
        self.database, self.settings, self.account = database, settings, account
        self._owner, self._folder = owner, folder

    def fill(self, count: int) -> None:
        """Let there be contacts with and without each field, some of them deleted."""
        self.sql(
            """
            insert into enrollment.contacts (account_id, email, first_name, last_name, phone,
              status, tags, custom_fields, birthday, timezone, source, created_at, updated_at,
              deleted_at)
            select :account, format('Person-%s@example.com', n),
              case when n % 3 > 0 then 'First ' || n end, case when n % 4 > 0 then 'Last' end,
              case when n % 5 > 0 then '+49 30 ' || n end,
              (array['active', 'unsubscribed', 'bounced', 'blocked'])[1 + n % 4],
              case when n % 6 > 0 then array['a', 't' || n % 7] else '{}' end,
              case when n % 2 > 0 then jsonb_build_object('plan', 'p' || n % 3, 'score', n * 1.5)
                else '{}' end,
              case when n % 8 > 0 then date '1950-01-01' + n % 20000 end,
              case when n % 9 > 0 then 'Europe/Berlin' end, 'other',
              now() - n * interval '1 minute' + interval '0.000001 second',
              now() - n * interval '1 second',
              case when n % 11 = 0 then now() - interval '1 day' end
            from generate_series(1, :count) n
            """,
            count=count,
        )

    def file(self, rows: int, first: int) -> Path:
        """A file of that many rows, from person number `first` on."""
        path = self._folder / "people.csv"
        with path.open("w") as file:
            file.write("email,first name,last name,status,tags,birthday,plan,city\n")
            for n in range(first, first + rows):
                file.write(
                    f"PERSON-{n}@example.com,New {n},{'L' if n % 2 else ''},"
                    f"{'unsubscribed' if n % 5 == 0 else ''},{'x;y' if n % 3 else ''},"
                    f"{'2000-02-29' if n % 4 else ''},{'p9' if n % 6 else ''},Bonn\n"
                )
        return path

    def do(self, type_: str, **fields: Any) -> Document:
        """Do an operation; return its document."""
        request = parse_request({"type": type_, **fields})
        return do_now(self.database, self.settings, self.account, request)

    def show(self, operation_id: str) -> Document:
        """The document of an operation."""
        return service.describe(self.database, self.account, UUID(operation_id))

    def sql(self, statement: str, **values: object) -> None:
        """Change something as somebody else would."""
        with self.database.account(self.account.id) as connection:
            connection.execute(text(statement), {"account": self.account.id, **values})

    def hash(self) -> str:
        """What every byte of every contact of the account counts for."""
        with self._owner.begin() as connection:
            found: str = connection.scalar(
                text(
                    "select md5(string_agg(md5(c::text), '' order by id)) "
                    "from enrollment.contacts c where account_id = :account"
                ),
                {"account": self.account.id},
            )
        return found


@pytest.fixture
def contacts(
    database: Database,
    settings: Settings,
    owner: Engine,
    make_account: Callable[..., Account],
    tmp_path: Path,
) -> Contacts:
    """An account without contacts yet, whose files may be large."""
    account = make_account(csv_max_bytes=10**9, rollback_hours=2)
    return Contacts(database, settings, owner, account, tmp_path)


@pytest.mark.parametrize(("size", "blanks"), [(2_000, "clear"), *KEEPING])
@pytest.mark.parametrize("mode", ["create", "update", "upsert"])
def test_an_import_and_its_rollback_leave_every_byte_as_it_was(
    contacts: Contacts, size: int, mode: str, blanks: str
) -> None:
    contacts.fill(size)
    before = contacts.hash()
    path = contacts.file(size, first=size // 2)

    done = contacts.do("import", path=path, mode=mode, blanks=blanks)

    assert done["status"] == ("completed_with_errors" if mode == "update" else "completed")
    assert contacts.hash() != before
    changed = done["outcomes"].get("created", 0) + done["outcomes"].get("updated", 0)
    assert changed > size // 4
    back = contacts.do("rollback", operation_id=done["operation_id"])
    assert back["outcomes"] == {"reversed": changed}
    assert contacts.hash() == before
    assert contacts.show(done["operation_id"])["status"] == "rolled_back"


@pytest.mark.parametrize("size", SIZES)
def test_a_delete_and_its_rollback_leave_every_byte_as_it_was(
    contacts: Contacts, size: int
) -> None:
    contacts.fill(size)
    before = contacts.hash()

    done = contacts.do("delete", selection={"type": "filter", "filter": {}})

    living = size - size // 11
    assert done["outcomes"] == {"deleted": living}
    back = contacts.do("rollback", operation_id=done["operation_id"])
    assert back["outcomes"] == {"reversed": living}
    assert contacts.hash() == before


def test_rows_that_were_changed_since_are_kept_and_told_field_by_field(
    contacts: Contacts,
) -> None:
    contacts.fill(10)
    path = contacts.file(8, first=6)
    done = contacts.do("import", path=path)
    contacts.sql(
        "update enrollment.contacts set phone = '=1+1', updated_at = now() "
        "where email_key in ('person-7@example.com', 'person-13@example.com')"
    )

    back = contacts.do("rollback", operation_id=done["operation_id"])

    assert back["outcomes"] == {"reversed": 6, "kept": 2}
    assert contacts.show(done["operation_id"])["status"] == "partially_rolled_back"
    kept = service.list_rows(contacts.database, contacts.account, UUID(back["operation_id"]))[
        "rows"
    ]
    assert {row["identifier"].lower() for row in kept} == {
        "person-7@example.com",
        "person-13@example.com",
    }
    fields = {row["identifier"]: row["details"]["fields"] for row in kept}
    (told,) = fields["Person-7@example.com"]
    assert (told["field"], told["after"], told["now"]) == ("phone", "+49 30 7", "=1+1")
    content = Path(back["files"]["kept"]).read_text()
    assert "phone,'+49 30 7,'+49 30 7,'=1+1" in content


def test_contacts_that_were_enrolled_since_are_kept_unless_the_enrollments_end_too(
    contacts: Contacts, add_workflow: Callable[..., UUID]
) -> None:
    workflow = add_workflow(contacts.account, "Welcome")
    done = contacts.do("import", path=contacts.file(3, first=1))
    contacts.sql(
        "insert into enrollment.enrollments "
        "(account_id, workflow_id, contact_id, current_step, source, source_id) "
        "select :account, :workflow, id, 'start', 'test', gen_random_uuid() "
        "from enrollment.contacts where email_key = 'person-2@example.com'",
        workflow=workflow,
    )

    foreseen = service.preview(
        contacts.database,
        contacts.settings,
        contacts.account,
        parse_request({"type": "rollback", "operation_id": done["operation_id"]}),
    )
    assert foreseen["outcomes"] == {"reversed": 2, "kept": 1}
    assert "Welcome" in foreseen["left_out"][0]["reason"]
    back = contacts.do("rollback", operation_id=done["operation_id"], cascade=True)

    assert back["outcomes"] == {"reversed": 3}
    with contacts.database.account(contacts.account.id) as connection:
        rows = connection.execute(
            text(
                "select e.status, c.deleted_at is not null from enrollment.enrollments e "
                "join enrollment.contacts c on c.id = e.contact_id"
            )
        ).all()
        living = connection.scalar(
            text("select count(*) from enrollment.contacts where deleted_at is null")
        )
    assert (rows, living) == ([("withdrawn", True)], 0)


def test_a_second_rollback_one_too_late_and_one_while_running_are_refused(
    contacts: Contacts, owner: Engine
) -> None:
    contacts.fill(3)
    path = contacts.file(3, first=1)

    def refused(operation_id: str) -> str:
        with pytest.raises(NotReversibleError) as refusal:
            contacts.do("rollback", operation_id=operation_id)
        return refusal.value.message

    done = contacts.do("import", path=path)["operation_id"]
    back = contacts.do("rollback", operation_id=done)["operation_id"]
    assert refused(done) == f"The operation was rolled back already, by operation {back}."
    assert "changes no contacts" in refused(back)
    late = contacts.do("import", path=path)["operation_id"]
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.bulk_operations set completed_at = now() - :ago where id = :id"
            ),
            {"ago": timedelta(hours=2, seconds=1), "id": late},
        )
    assert refused(late) == (
        "The operation can be rolled back for 2 hours after its end, and not then."
    )
    soon = contacts.do("import", path=path)["operation_id"]
    for timing in ({"scheduled_at": datetime.now(UTC) + timedelta(hours=3)}, {"after": soon}):
        request = parse_request({"type": "rollback", "operation_id": soon, "timing": timing})
        with pytest.raises(RefusedError):
            submit(contacts.database, contacts.settings, contacts.account, request, source="test")
    request = parse_request({"type": "import", "path": path})
    running = submit(
        contacts.database, contacts.settings, contacts.account, request, source="test"
    ).operation_id
    OperationWork(contacts.database, contacts.settings, running).begin()
    assert refused(str(running)).startswith("The operation is processing")
    export = contacts.do("export")["operation_id"]
    assert "changes no contacts" in refused(export)
    # One that waits for its turn is a rollback already.
    OperationWork(contacts.database, contacts.settings, running).run()
    request = parse_request({"type": "rollback", "operation_id": str(running)})
    waiting = submit(
        contacts.database, contacts.settings, contacts.account, request, source="test"
    ).operation_id
    assert refused(str(running)) == (
        f"The operation is being rolled back already, by operation {waiting}."
    )


CHANGES = [
    "phone = '0'",
    "first_name = null",
    "tags = tags || array['z']",
    "deleted_at = now()",
    None,
]


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    present=st.integers(0, 12),
    first=st.integers(1, 8),
    rows=st.integers(1, 12),
    mode=st.sampled_from(["create", "update", "upsert"]),
    later=st.dictionaries(st.integers(1, 20), st.sampled_from(CHANGES), max_size=6),
    piece=st.integers(1, 5),
)
def test_reversed_kept_and_errored_rows_are_all_rows_whatever_happened_since(
    make_account: Callable[..., Account],
    contacts: Contacts,
    monkeypatch: pytest.MonkeyPatch,
    present: int,
    first: int,
    rows: int,
    mode: str,
    later: dict[int, str | None],
    piece: int,
) -> None:
    monkeypatch.setattr(engine, "PIECE", piece)
    contacts.account = make_account()
    contacts.fill(present)
    done = contacts.do("import", path=contacts.file(rows, first=first), mode=mode)
    changed = done["outcomes"].get("created", 0) + done["outcomes"].get("updated", 0)
    for number, change in later.items():
        if change is not None:
            contacts.sql(
                f"update enrollment.contacts set {change}, updated_at = clock_timestamp() "
                "where email_key = :key and deleted_at is null",
                key=f"person-{number}@example.com",
            )

    back = contacts.do("rollback", operation_id=done["operation_id"])

    assert set(back["outcomes"]) <= {"reversed", "kept", "errored"}
    assert sum(back["outcomes"].values()) == back["rows"] == changed


def test_who_has_unsubscribed_since_does_not_become_active_by_a_rollback(
    contacts: Contacts,
) -> None:
    contacts.sql(
        "insert into enrollment.contacts (account_id, email) "
        "values (:account, 'a@example.com'), (:account, 'b@example.com')"
    )
    everybody = {"type": "filter", "filter": {}}

    def become(status: str, email: str | None = None) -> str:
        condition = {"conditions": [{"field": "email", "operator": "equals", "value": email}]}
        done = contacts.do(
            "update",
            selection={"type": "filter", "filter": condition} if email else everybody,
            changes={"status": status},
            allow_resubscribe=True,
        )
        return str(done["operation_id"])

    by_mistake = become("unsubscribed")
    become("active", "a@example.com")
    become("unsubscribed", "a@example.com")

    back = contacts.do("rollback", operation_id=by_mistake)

    assert back["outcomes"] == {"reversed": 1, "kept": 1}
    with contacts.database.account(contacts.account.id) as connection:
        found = connection.execute(
            text("select email, status from enrollment.contacts order by email")
        ).all()
    assert found == [("a@example.com", "unsubscribed"), ("b@example.com", "active")]
