"""Statements that let staged rows create and update contacts, piece by piece, with images.

Every function works in the caller's transaction, which has its account set, and in which no other
operation of the account writes contacts.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from enrollment_pipeline.bulk_operations.execution import AgainError
from enrollment_pipeline.bulk_operations.states import LOOSE_TO_STRICT, RowOutcome
from enrollment_pipeline.bulk_operations.store.images import image_of
from enrollment_pipeline.storage.planning import allow_memory, without_nested_loops

_PLAIN = ("first_name", "last_name", "phone", "birthday", "timezone")


@dataclass(frozen=True, slots=True)
class Piece:
    """Staged rows of an operation: those behind `mark`, up to `last`."""

    account_id: UUID
    operation_id: UUID
    mark: int
    last: int


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What rows do to contacts.

    `key` is "email", "contact_id" or "custom_fields.NAME"; `loosen` lets a looser status count;
    `cleared` are the fields whose blanks clear; `clears_members` says that blanks of custom fields
    do, for which a row holds null.
    """

    key: str
    mode: str
    loosen: bool
    cleared: frozenset[str]
    clears_members: bool
    source: str

    @property
    def may_leave_out(self) -> bool:
        """Whether a row may do nothing, for one of the reasons that the statement knows."""
        return self.key != "email" or self.mode != "upsert"


# The rows of the piece, each with the contact that its key names, and how many there are of those.
_MATCH = """
create temporary table matched on commit drop as
select r.position, c.id as contact_id, count(c.id) over (partition by r.position) as namesakes
from enrollment.import_rows r
{contacts}
where r.operation_id = :operation_id and r.position > :mark and r.position <= :last
"""
# One probe of an index for each row: left to the planner, a piece was compared with all contacts of
# the account, because the rows are younger than the statistics.
_PROBED = """left join lateral (
  select x.id from enrollment.contacts x
  where x.account_id = :account_id and x.deleted_at is null and {same} limit 2
) c on true"""
_SAME = {
    "email": "x.email_key = r.key",
    "custom_fields.external_id": "x.external_id = r.key",
}
# By the id alone: with anything beside it, the planner reads all of an account that is younger than
# the statistics, for each of its contacts. Row-level security shows no other account's.
_BY_ID = """left join lateral (
  select x.id, x.deleted_at from enrollment.contacts x where x.id = r.key::uuid limit 1
) c on c.deleted_at is null"""
# No index knows other fields: all contacts are read once a piece, for a join by hash.
_JOINED = """left join enrollment.contacts c
  on c.account_id = :account_id and c.deleted_at is null and c.custom_fields ->> :name = r.key"""
_NUMBERS = text(
    """
    select count(*) filter (where contact_id is not null) as known,
      count(*) filter (where contact_id is null) as fresh from pg_temp.matched
    """
)

# What keeps rows of the piece from doing anything, by the first reason that applies. A row known by
# something else than its address may not take the address of another contact.
_LEAVE_OUT = """
insert into enrollment.bulk_operation_rows
  (account_id, operation_id, position, line, identifier, contact_id, outcome, value, reason)
select :account_id, :operation_id, r.position, r.line, r.key, m.contact_id, told.outcome,
  told.value, told.reason
from (select distinct on (position) * from pg_temp.matched) m
join enrollment.import_rows r on r.operation_id = :operation_id and r.position = m.position
{other}
cross join lateral (
  select * from (values
    (m.namesakes > 1, 'rejected', r.key,
      format('names %s contacts, and must name one', m.namesakes)),
    (:mode = 'create' and m.contact_id is not null, 'skipped', r.key,
      'names a contact that exists already'),
    (:mode = 'update' and m.contact_id is null, 'unmatched', r.key, 'names no contact'),
    ({taken}, 'rejected', r.email, 'has an e-mail address that another contact has')
  ) as reasons (applies, outcome, value, reason)
  where applies limit 1
) told
returning position, outcome
"""
_OTHER = """left join lateral (
  select x.id from enrollment.contacts x
  where x.account_id = :account_id and x.deleted_at is null and x.email_key = lower(r.email)
  limit 1
) o on o.id is distinct from m.contact_id"""
_COUNTED = """
with left_out as ({insert})
, gone as (delete from pg_temp.matched m using left_out l where l.position = m.position)
select outcome, count(*) as number from left_out group by outcome
"""

# Locked in the order of their ids, as everywhere, and imaged as they are then.
_UPDATE = """
with known as materialized (
  select position, contact_id from pg_temp.matched where contact_id is not null order by contact_id
), locked as materialized (
  select known.position, c.id, c.was from known cross join lateral (
    select x.id, x as was from enrollment.contacts x
    where x.id = known.contact_id and x.account_id = :account_id limit 1 for update
  ) c
), changed as (
  update enrollment.contacts c
  set {assignments}, updated_at = now()
  from locked l
  join enrollment.import_rows r on r.operation_id = :operation_id and r.position = l.position
  where c.account_id = :account_id and c.id = l.id and ({differs})
  returning l.position, c.id, l.was, c as became
), imaged as (
  insert into enrollment.bulk_operation_changes
    (account_id, operation_id, position, contact_id, before, after)
  select :account_id, :operation_id, position, id, {before}, {after} from changed
)
select (select count(*) from locked) as matched, (select count(*) from changed) as updated
"""

_SAID_STATUS = "coalesce(r.status, 'active')"
# Who was deleted and comes back has not agreed to anything by that.
_STRICTEST_STATUS = """(:strict)[greatest(
  array_position(:strict, coalesce(r.status, 'active')),
  (select max(array_position(:strict, d.status)) from enrollment.contacts d
   where d.account_id = :account_id and d.deleted_at is not null
     and d.email_key = lower(r.email)))]"""
_CREATE = """
with fresh as materialized (
  select m.position, enrollment.uuidv7() as id
  from pg_temp.matched m where m.contact_id is null order by m.position
), created as (
  insert into enrollment.contacts (id, account_id, email, first_name, last_name, phone, status,
    tags, birthday, timezone, custom_fields, source)
  select f.id, :account_id, r.email, r.first_name, r.last_name, r.phone,
    {status}, coalesce(r.tags, '{{}}'), r.birthday, r.timezone,
    {custom_fields}, :source
  from fresh f
  join enrollment.import_rows r on r.operation_id = :operation_id and r.position = f.position
  order by f.position
  on conflict (account_id, email_key) where deleted_at is null do nothing
  returning contacts.id, {after} as after
), imaged as (
  insert into enrollment.bulk_operation_changes
    (account_id, operation_id, position, contact_id, after)
  select :account_id, :operation_id, f.position, c.id, c.after
  from created c join fresh f on f.id = c.id
)
select (select count(*) from fresh) as wanted, (select count(*) from created) as created
"""


def apply(connection: Connection, piece: Piece, rules: ImportRules) -> dict[RowOutcome, int]:
    """Let the rows of a piece create and update contacts; return the rows by outcome.

    Raises:
        AgainError: somebody else created one of the contacts in this very moment; the piece, done
            once more, finds it.
    """
    values = {
        "account_id": piece.account_id,
        "operation_id": piece.operation_id,
        "mark": piece.mark,
        "last": piece.last,
        "mode": rules.mode,
        "source": rules.source,
        "strict": list(LOOSE_TO_STRICT),
        "name": rules.key.partition(".")[2],
    }
    # Images of a piece are some MB, which would go through a file.
    allow_memory(connection)
    connection.execute(text("drop table if exists pg_temp.matched"))
    if rules.key in (*_SAME, "contact_id"):
        connection.execute(_statement(_match(rules)), values)
    else:
        with without_nested_loops(connection):
            connection.execute(_statement(_match(rules)), values)
    connection.execute(text("analyze pg_temp.matched"))
    counts = {}
    if rules.may_leave_out:
        found = connection.execute(_statement(_leave_out(rules)), values)
        counts = {RowOutcome(row.outcome): row.number for row in found}
    numbers = connection.execute(_NUMBERS).one()
    if numbers.known:
        updated = connection.execute(_statement(_update(rules)), values).one()
        counts[RowOutcome.UPDATED] = updated.updated
        counts[RowOutcome.UNCHANGED] = updated.matched - updated.updated
    if numbers.fresh:
        created = connection.execute(_statement(_create(rules)), values).one()
        if created.created != created.wanted:
            raise AgainError
        counts[RowOutcome.CREATED] = created.created
    return counts


def _match(rules: ImportRules) -> str:
    if rules.key == "contact_id":
        return _MATCH.format(contacts=_BY_ID)
    same = _SAME.get(rules.key)
    return _MATCH.format(contacts=_JOINED if same is None else _PROBED.format(same=same))


def _leave_out(rules: ImportRules) -> str:
    by_email = rules.key == "email"
    return _COUNTED.format(
        insert=_LEAVE_OUT.format(
            other="" if by_email else _OTHER, taken="false" if by_email else "o.id is not null"
        )
    )


def _update(rules: ImportRules) -> str:
    assignments = _assignments(rules)
    return _UPDATE.format(
        assignments=", ".join(f"{name} = {new}" for name, new in assignments.items()),
        differs=" or ".join(
            f"c.{name} is distinct from {new}" for name, new in assignments.items()
        ),
        before=image_of("was"),
        after=image_of("became"),
    )


def _create(rules: ImportRules) -> str:
    said = "coalesce(r.custom_fields, '{}')"
    return _CREATE.format(
        status=_SAID_STATUS if rules.loosen else _STRICTEST_STATUS,
        custom_fields=_without_nulls(said, said) if rules.clears_members else said,
        after=image_of("contacts"),
    )


def _assignments(rules: ImportRules) -> dict[str, str]:
    """Return the SQL of what each column of a contact becomes; what a row does not say stays."""
    said = {
        name: f"r.{name}" if name in rules.cleared else f"coalesce(r.{name}, c.{name})"
        for name in _PLAIN
    }
    merged = "c.custom_fields || coalesce(r.custom_fields, '{}')"
    strictness = "array_position(:strict, {0}.status)".format
    stricter = f"{strictness('r')} > {strictness('c')}"
    return {
        # A contact may be known by something else, and have got another address.
        "email": "c.email" if rules.key == "email" else _address(rules),
        **said,
        "status": "coalesce(r.status, c.status)"
        if rules.loosen
        else f"case when {stricter} then r.status else c.status end",
        "tags": _tags(rules),
        "custom_fields": _without_nulls(merged, "r.custom_fields")
        if rules.clears_members
        else merged,
    }


def _address(rules: ImportRules) -> str:
    return "r.email" if "email" in rules.cleared else "coalesce(r.email, c.email)"


def _tags(rules: ImportRules) -> str:
    """Return the SQL of the tags: an import adds tags; a blank that clears takes all away."""
    added = """case when r.tags is null or r.tags <@ c.tags then c.tags else c.tags || array(
      select said.tag from unnest(r.tags) with ordinality said (tag, place)
      where said.tag <> all (c.tags) order by said.place) end"""
    if "tags" not in rules.cleared:
        return added
    return f"case when r.tags = '{{}}' then '{{}}' else {added} end"


def _without_nulls(fields: str, said: str) -> str:
    """Return the SQL of custom fields without those that a row says are null."""
    gone = f"array(select key from jsonb_each({said}) where value = 'null')"
    return f"({fields}) - {gone}"


def _statement(sql: str) -> TextClause:
    found = text(sql)
    return found.bindparams(bindparam("strict", type_=ARRAY(Text))) if ":strict" in sql else found
