"""Bulk operations on contacts: their rows, what they changed, and what comes again and again."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from enrollment_pipeline.storage.schema.base import METADATA, instant, new_id, one_of
from enrollment_pipeline.storage.schema.contacts import contacts

# The file or the ids of a request, in pieces, so that any worker on any machine can read them;
# deleted in the transaction that has resolved them.
kept_inputs = Table(
    "kept_inputs",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("work_id", Uuid, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("work_id", "chunk", name="kept_inputs_pkey"),
)

bulk_operations = Table(
    "bulk_operations",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    # What was asked for, but for the input, which is in `kept_inputs`.
    Column("request", JSONB, nullable=False),
    Column("request_id", Text),
    # What was asked under the request id, so that the same id cannot stand for something else.
    Column("request_hash", Text),
    Column("source", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # Who works on it: a run that the queue sensor starts, or the process that submitted it.
    Column("runner", Text, nullable=False),
    # Part of the run key, so that an operation whose run has died gets a new one.
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("restarts", Integer, nullable=False, server_default="0"),
    Column("restart_mark", BigInteger, nullable=False, server_default="0"),
    # Rows of the input; how many of them have their outcome is the sum of the counts.
    Column("total", Integer, nullable=False, server_default="0"),
    # Up to which position the work is done and committed.
    Column("mark", BigInteger, nullable=False, server_default="0"),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("error", JSONB(none_as_null=True)),
    # What it has brought beside the counts: files, and their folder.
    Column("result", JSONB(none_as_null=True)),
    # The operation that must be completed before; the operation that this one takes back; the
    # enrollment job whose enrollments this one withdraws.
    Column("after_id", Uuid),
    Column("reverses_id", Uuid),
    Column("withdraws_job_id", Uuid),
    # Of a firing: what comes again and again, and which of its times this is.
    Column("schedule_id", Uuid),
    instant("occurrence_at"),
    instant("scheduled_at", required=True),
    instant("created_at", required=True),
    instant("started_at"),
    # Input resolved and kept; set in the transaction that has done so.
    instant("prepared_at"),
    instant("completed_at"),
    instant("heartbeat_at"),
    # When its images, and when its files, were removed.
    instant("images_removed_at"),
    instant("files_removed_at"),
    PrimaryKeyConstraint("id", name="bulk_operations_pkey"),
    ForeignKeyConstraint(
        ["account_id"], ["enrollment.accounts.id"], name="bulk_operations_account"
    ),
    UniqueConstraint("account_id", "request_id", name="bulk_operations_request_key"),
    UniqueConstraint("schedule_id", "occurrence_at", name="bulk_operations_one_firing"),
    one_of("type", "import", "export", "update", "delete", "rollback", "withdrawal"),
    one_of("runner", "queue", "caller"),
    one_of(
        "status",
        "scheduled",
        "processing",
        "completed",
        "completed_with_errors",
        "failed",
        "cancelled",
        "rolled_back",
        "partially_rolled_back",
    ),
    Index("bulk_operations_newest", "account_id", text("created_at desc"), text("id desc")),
    Index("bulk_operations_open", "account_id", postgresql_where=text("completed_at is null")),
    Index("bulk_operations_after", "after_id", postgresql_where=text("after_id is not null")),
    # One that failed or was cancelled may be followed by another.
    Index(
        "bulk_operations_one_rollback",
        "account_id",
        "reverses_id",
        unique=True,
        postgresql_where=text("reverses_id is not null and status not in ('failed', 'cancelled')"),
    ),
    Index(
        "bulk_operations_one_withdrawal",
        "account_id",
        "withdraws_job_id",
        unique=True,
        postgresql_where=text(
            "withdraws_job_id is not null and status not in ('failed', 'cancelled')"
        ),
    ),
)

# An operation that comes again and again; its next firing is always there as a scheduled operation.
bulk_schedules = Table(
    "bulk_schedules",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("cron", Text),
    Column("rrule", Text),
    # Naive local time from which an RRULE counts, as ISO text.
    Column("start", Text),
    Column("timezone", Text, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("requested_by", Text, nullable=False),
    instant("created_at", required=True),
    instant("ends_at"),
    PrimaryKeyConstraint("id", name="bulk_schedules_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="bulk_schedules_account"),
)

# The rows of an import that can be used, each key once, until the operation is closed. What a row
# does not say is null.
_SAID = ("email", "first_name", "last_name", "phone", "status", "tags", "birthday", "timezone")
import_rows = Table(
    "import_rows",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("operation_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("line", Integer, nullable=False),
    # What the row is known by: an address in lower case, a contact id, or a value of a field.
    Column("key", Text, nullable=False),
    *(Column(name, contacts.c[name].type) for name in _SAID),
    # A member that is null takes the field away.
    Column("custom_fields", JSONB),
    PrimaryKeyConstraint("operation_id", "position", name="import_rows_pkey"),
)

# Input rows of an operation that did not simply go through, with the reason, and rows that a
# rollback has kept. `position` is that of the input row, or of the change that was to be reversed.
bulk_operation_rows = Table(
    "bulk_operation_rows",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("operation_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("line", Integer),
    Column("identifier", Text),
    Column("contact_id", Uuid),
    Column("outcome", Text, nullable=False),
    Column("column_name", Text),
    Column("value", Text),
    Column("reason", Text, nullable=False),
    Column("details", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("operation_id", "position", name="bulk_operation_rows_pkey"),
    one_of(
        "outcome",
        "skipped",
        "duplicate",
        "unmatched",
        "rejected",
        "failed",
        "kept",
        "errored",
    ),
)

# What an operation has done to a contact: all columns of the row before and after it, null where
# there was none. No foreign key: its check would cost more than the row.
bulk_operation_changes = Table(
    "bulk_operation_changes",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("operation_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("operation_id", "position", name="bulk_operation_changes_pkey"),
)
