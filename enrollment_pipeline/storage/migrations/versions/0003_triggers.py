"""Triggers: what they are, the events they wait for, and the log of what came of each."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Under row-level security no index serves an expression whose functions may leak what they see.
CONTACT_KEYS = """
alter table enrollment.contacts
  add column email_key text generated always as (lower(email)) stored,
  add column birthday_key smallint generated always as
    ((extract(month from birthday) * 100 + extract(day from birthday))::smallint) stored,
  add column external_id text generated always as (custom_fields ->> 'external_id') stored;
drop index enrollment.contacts_email_key;
create unique index contacts_email_key on enrollment.contacts (account_id, email_key)
  where deleted_at is null;
create index contacts_birthday on enrollment.contacts (account_id, birthday_key)
  where birthday_key is not null and deleted_at is null;
create index contacts_deleted_email on enrollment.contacts (account_id, email_key)
  where deleted_at is not null;
create index contacts_external_id on enrollment.contacts (account_id, external_id)
  where external_id is not null;
"""

TABLES = """
create table enrollment.triggers (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  workflow_id uuid not null,
  event text not null,
  match_key text,
  parameters jsonb not null default '{}',
  filters jsonb not null default '{}',
  settings jsonb not null default '{}',
  active boolean not null default true,
  version integer not null default 1,
  active_since timestamptz not null default now(),
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint triggers_pkey primary key (id),
  constraint triggers_account foreign key (account_id) references enrollment.accounts (id),
  constraint triggers_workflow foreign key (workflow_id) references enrollment.workflows (id)
);
create unique index triggers_one_per_workflow on enrollment.triggers (account_id, workflow_id)
  where deleted_at is null;
create index triggers_waiting on enrollment.triggers (account_id, event, match_key)
  where active and deleted_at is null;

create table enrollment.events (
  number bigint generated always as identity,
  account_id uuid not null,
  event_id text not null,
  type text not null,
  contact_id uuid,
  email text,
  external_id text,
  occurred_at timestamptz not null default now(),
  data jsonb not null default '{}',
  previous_state jsonb,
  source text not null default 'table',
  received_at timestamptz not null default now(),
  processed_at timestamptz,
  rejection text,
  constraint events_pkey primary key (account_id, number),
  constraint events_account foreign key (account_id) references enrollment.accounts (id),
  constraint events_once unique (account_id, event_id)
);
create index events_pending on enrollment.events (account_id, number)
  where processed_at is null;
create index events_time on enrollment.events using brin (received_at);

create table enrollment.trigger_evaluations (
  number bigint generated always as identity,
  account_id uuid not null,
  trigger_id uuid not null,
  workflow_id uuid not null,
  event_number bigint,
  occurrence text,
  contact_id uuid,
  result text not null,
  reason text,
  due_at timestamptz,
  fire_at timestamptz,
  job_id uuid,
  evaluated_at timestamptz not null default now(),
  constraint trigger_evaluations_pkey primary key (number),
  constraint result_known check (result in (
    'fired', 'queued', 'filters', 'workflow_inactive', 'trigger_inactive', 'contact_unknown',
    'contact_deleted', 'repeated', 'loop', 'late'))
);
create unique index trigger_evaluations_event
  on enrollment.trigger_evaluations (event_number, trigger_id) where event_number is not null;
create unique index trigger_evaluations_occurrence
  on enrollment.trigger_evaluations (trigger_id, contact_id, occurrence) nulls not distinct
  where occurrence is not null;
create index trigger_evaluations_trigger
  on enrollment.trigger_evaluations (trigger_id, number desc);
create index trigger_evaluations_contact
  on enrollment.trigger_evaluations (contact_id, number desc);
create index trigger_evaluations_time on enrollment.trigger_evaluations using brin (evaluated_at);
create index trigger_evaluations_queued on enrollment.trigger_evaluations (account_id, fire_at)
  where result = 'queued';

create table enrollment.trigger_watermarks (
  account_id uuid not null,
  evaluated_until timestamptz not null default now(),
  constraint trigger_watermarks_pkey primary key (account_id),
  constraint watermarks_account foreign key (account_id) references enrollment.accounts (id)
);
"""

# Whether a contact was enrolled, and why not, is asked of the job that took it. There is no second
# copy to fall out of step.
LOG = """
create view enrollment.trigger_log with (security_invoker = true) as
select e.number, e.account_id, e.trigger_id, e.workflow_id, e.event_number, e.occurrence,
  e.contact_id, e.result,
  e.result not in ('filters', 'contact_unknown', 'contact_deleted') as matched,
  n.id is not null as enrolled,
  case
    when e.result <> 'fired' then e.reason
    when n.id is not null then null
    when coalesce(s.exclusion, f.code) is not null
      then 'blocked: ' || lower(coalesce(s.exclusion, f.code))
    when j.completed_at is null then 'waiting: the job is ' || j.status
    when j.error ->> 'code' is not null then 'blocked: ' || lower(j.error ->> 'code')
    else 'not enrolled: the job is ' || j.status
  end as reason,
  e.due_at, e.fire_at, e.job_id, e.evaluated_at
from enrollment.trigger_evaluations e
left join enrollment.enrollment_jobs j on j.id = e.job_id
left join enrollment.enrollments n
  on n.account_id = e.account_id and n.workflow_id = e.workflow_id
  and n.contact_id = e.contact_id and n.source_id = e.job_id
left join enrollment.selected_contacts s
  on s.job_id = e.job_id and s.contact_id = e.contact_id and s.exclusion <> 'DUPLICATE'
left join enrollment.enrollment_failures f
  on f.job_id = e.job_id and f.contact_id = e.contact_id;
"""

CROSSING = """
-- Accounts with events to evaluate, firings whose time has come, or enrollments that the evaluation
-- has begun and not finished.
-- `pending` counts the events, up to a number that is many in any case.
create function enrollment.trigger_work(at timestamptz)
  returns table (account_id uuid, pending bigint)
  language sql stable security definer set search_path = '' as $$
  select a.id, p.pending from enrollment.accounts a
  cross join lateral (
    select count(*) as pending from (
      select from enrollment.events e where e.account_id = a.id and e.processed_at is null
      limit 200000) counted
  ) p
  where p.pending > 0
    or exists (
      select from enrollment.trigger_evaluations q
      where q.account_id = a.id and q.result = 'queued' and q.fire_at <= at)
    or exists (
      select from enrollment.enrollment_jobs j
      where j.account_id = a.id and j.completed_at is null and j.runner = 'trigger'
        and coalesce(j.error, 'null') = 'null' and j.status not in ('paused', 'cancelling'))
  order by a.id
$$;
"""

SCOPED = ("triggers", "events", "trigger_evaluations", "trigger_watermarks")


def upgrade() -> None:
    """Create the tables and the view of this version, and the keys of contacts."""
    op.execute(CONTACT_KEYS)
    op.execute(TABLES)
    op.execute(
        """
        alter table enrollment.enrollment_jobs drop constraint runner_known;
        alter table enrollment.enrollment_jobs add constraint runner_known
          check (runner in ('queue', 'caller', 'trigger'));
        """
    )
    op.execute(LOG)
    op.execute(CROSSING)
    for table in SCOPED:
        op.execute(f"alter table enrollment.{table} enable row level security")
        op.execute(
            f"create policy one_account on enrollment.{table} "
            "using (account_id = (select enrollment.current_account()))"
        )
        op.execute(f"grant select, insert, update, delete on enrollment.{table} to enrollment_app")
    op.execute("grant select on enrollment.trigger_log to enrollment_app")
    op.execute("revoke execute on function enrollment.trigger_work(timestamptz) from public")
    op.execute("grant execute on function enrollment.trigger_work(timestamptz) to enrollment_app")


def downgrade() -> None:
    """Drop what this version created; jobs that triggers have made go on as any other."""
    op.execute("drop function enrollment.trigger_work(timestamptz)")
    op.execute("drop view enrollment.trigger_log")
    for table in reversed(SCOPED):
        op.execute(f"drop table enrollment.{table}")
    op.execute(
        """
        update enrollment.enrollment_jobs set runner = 'queue' where runner = 'trigger';
        alter table enrollment.enrollment_jobs drop constraint runner_known;
        alter table enrollment.enrollment_jobs add constraint runner_known
          check (runner in ('queue', 'caller'));
        drop index enrollment.contacts_external_id, enrollment.contacts_birthday,
          enrollment.contacts_deleted_email, enrollment.contacts_email_key;
        alter table enrollment.contacts
          drop column external_id, drop column birthday_key, drop column email_key;
        create unique index contacts_email_key on enrollment.contacts (account_id, lower(email))
          where deleted_at is null;
        """
    )
