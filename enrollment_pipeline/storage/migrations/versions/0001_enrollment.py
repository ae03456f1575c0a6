"""Accounts, contacts, workflows, and the enrollment job from its request to its outcomes."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A version 7 UUID (RFC 9562): 48 bits of milliseconds, then random bits. Postgres has its own from
# version 18 on, which is several times faster and keeps the order within a millisecond.
NATIVE_UUID = """
create function enrollment.uuidv7() returns uuid language sql volatile parallel safe as $$
  select pg_catalog.uuidv7()
$$
"""
OWN_UUID = """
create function enrollment.uuidv7() returns uuid language sql volatile parallel safe as $$
  select encode(
    set_bit(set_bit(overlay(
      uuid_send(gen_random_uuid())
      placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
      from 1 for 6), 52, 1), 53, 1), 'hex')::uuid
$$
"""

# The account that the current transaction works for; null when none is set, and then no row of
# any table is visible.
CURRENT_ACCOUNT = """
create function enrollment.current_account() returns uuid language sql stable parallel safe as $$
  select nullif(current_setting('app.account_id', true), '')::uuid
$$
"""

TABLES = """
create table enrollment.accounts (
  id uuid not null default enrollment.uuidv7(),
  name text not null,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint accounts_pkey primary key (id)
);
create unique index accounts_name_key on enrollment.accounts (lower(name));

create table enrollment.contacts (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  email text,
  first_name text,
  last_name text,
  phone text,
  status text not null default 'active',
  tags text[] not null default '{}',
  custom_fields jsonb not null default '{}',
  birthday date,
  timezone text,
  source text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint contacts_pkey primary key (id),
  constraint contacts_account foreign key (account_id) references enrollment.accounts (id),
  constraint status_known check (status in ('active', 'unsubscribed', 'blocked', 'bounced'))
);
create unique index contacts_email_key on enrollment.contacts (account_id, lower(email))
  where deleted_at is null;

create table enrollment.workflows (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  name text not null,
  status text not null default 'draft',
  config jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint workflows_pkey primary key (id),
  constraint workflows_account foreign key (account_id) references enrollment.accounts (id),
  constraint status_known check (status in ('draft', 'active', 'paused', 'archived'))
);
create unique index workflows_name_key on enrollment.workflows (account_id, lower(name));

create table enrollment.enrollments (
  id bigint generated always as identity,
  account_id uuid not null,
  workflow_id uuid not null,
  contact_id uuid not null,
  status text not null default 'active',
  current_step text not null,
  source text not null,
  source_id uuid not null,
  enrolled_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint enrollments_pkey primary key (id),
  constraint enrollments_one_active
    unique nulls not distinct (account_id, workflow_id, contact_id, ended_at),
  constraint status_known check (status in ('active', 'completed', 'exited', 'withdrawn')),
  constraint ended_unless_active check ((status = 'active') = (ended_at is null))
);
create index enrollments_source on enrollment.enrollments (source_id);

create table enrollment.enrollment_jobs (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  workflow_id uuid not null,
  request jsonb not null,
  request_id text,
  selection_type text not null,
  source text not null,
  requested_by text not null,
  status text not null,
  runner text not null,
  attempt integer not null default 1,
  retry_of uuid,
  input_rows integer not null default 0,
  total_contacts integer not null default 0,
  total_batches integer not null default 0,
  current_batch integer not null default 0,
  enrolled integer not null default 0,
  already_enrolled integer not null default 0,
  skipped integer not null default 0,
  failed integer not null default 0,
  duplicate integer not null default 0,
  unmatched integer not null default 0,
  rejected integer not null default 0,
  cancelled integer not null default 0,
  exclusions jsonb not null default '{}',
  error jsonb,
  report jsonb,
  scheduled_at timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  selected_at timestamptz,
  validated_at timestamptz,
  batched_at timestamptz,
  completed_at timestamptz,
  heartbeat_at timestamptz,
  constraint enrollment_jobs_pkey primary key (id),
  constraint jobs_account foreign key (account_id) references enrollment.accounts (id),
  constraint jobs_workflow foreign key (workflow_id) references enrollment.workflows (id),
  constraint enrollment_jobs_request_key unique (account_id, request_id),
  constraint runner_known check (runner in ('queue', 'caller')),
  constraint selection_type_known check (selection_type in ('manual', 'filter', 'csv')),
  constraint status_known check (status in (
    'scheduled', 'pending', 'validating', 'queued', 'processing', 'paused', 'cancelling',
    'completed', 'completed_with_errors', 'failed', 'cancelled'))
);
create index enrollment_jobs_newest
  on enrollment.enrollment_jobs (account_id, created_at desc, id desc);
create index enrollment_jobs_open
  on enrollment.enrollment_jobs (account_id) where completed_at is null;

create table enrollment.job_inputs (
  account_id uuid not null,
  job_id uuid not null,
  chunk integer not null,
  content bytea not null,
  constraint job_inputs_pkey primary key (job_id, chunk),
  constraint job_inputs_job foreign key (job_id)
    references enrollment.enrollment_jobs (id) on delete cascade
);

create table enrollment.selected_contacts (
  account_id uuid not null,
  job_id uuid not null,
  position integer not null,
  line integer,
  identifier text not null,
  contact_id uuid,
  exclusion text,
  message text,
  constraint selected_contacts_pkey primary key (job_id, position)
);

create table enrollment.enrollment_batches (
  account_id uuid not null,
  job_id uuid not null,
  number integer not null,
  contact_ids uuid[] not null,
  status text not null default 'queued',
  processed integer not null default 0,
  attempts integer not null default 0,
  next_attempt_at timestamptz,
  error jsonb,
  completed_at timestamptz,
  constraint enrollment_batches_pkey primary key (job_id, number),
  constraint status_known
    check (status in ('queued', 'processing', 'completed', 'failed', 'cancelled'))
);
create index enrollment_batches_queue on enrollment.enrollment_batches (job_id, number)
  where status = 'queued';

create table enrollment.enrollment_failures (
  id bigint generated always as identity,
  account_id uuid not null,
  job_id uuid not null,
  batch_number integer not null,
  contact_id uuid not null,
  code text not null,
  message text not null,
  details jsonb,
  created_at timestamptz not null default now(),
  constraint enrollment_failures_pkey primary key (id),
  constraint enrollment_failures_one_per_contact unique (job_id, contact_id)
);

create table enrollment.contact_changes (
  id bigint generated always as identity,
  account_id uuid not null,
  contact_id uuid not null,
  kind text not null,
  details jsonb not null default '{}',
  source text not null,
  source_id uuid,
  occurred_at timestamptz not null default now(),
  constraint contact_changes_pkey primary key (id)
);
create index contact_changes_contact on enrollment.contact_changes (contact_id, occurred_at);
"""

VIEWS = """
create view enrollment.contact_activity with (security_invoker = true) as
select account_id, contact_id, 'enrolled'::text as kind,
       jsonb_build_object('workflow_id', workflow_id, 'enrollment_id', id) as details,
       source, source_id, enrolled_at as occurred_at
from enrollment.enrollments
union all
select account_id, contact_id, kind, details, source, source_id, occurred_at
from enrollment.contact_changes;

-- One row per input row of a job, with the one outcome it has at this moment. The outcome is
-- derived, never stored, so it cannot disagree with what was done.
create view enrollment.enrollment_outcomes with (security_invoker = true) as
select s.account_id, s.job_id, s.position, s.line, s.identifier, s.contact_id,
  case
    when s.exclusion = 'DUPLICATE' then 'duplicate'
    when s.exclusion = 'UNMATCHED' then 'unmatched'
    when s.exclusion = 'REJECTED' then 'rejected'
    when coalesce(s.exclusion, f.code) = 'ALREADY_ENROLLED' then 'already_enrolled'
    when s.exclusion is not null
      or f.code in ('CONTACT_NOT_FOUND', 'CONTACT_BLOCKED', 'VALIDATION_ERROR') then 'skipped'
    when f.code is not null then 'failed'
    when e.contact_id is not null then 'enrolled'
    when b.status = 'failed' then 'unprocessed'
    when j.status = 'cancelled' then 'cancelled'
    else 'unprocessed'
  end as outcome,
  coalesce(s.exclusion, f.code, case when e.contact_id is null then b.error ->> 'code' end) as code,
  coalesce(
    s.message, f.message, case when e.contact_id is null then b.error ->> 'message' end
  ) as message,
  coalesce(f.batch_number, b.number) as batch_number
from enrollment.selected_contacts s
join enrollment.enrollment_jobs j on j.id = s.job_id
left join enrollment.enrollment_failures f
  on f.job_id = s.job_id and f.contact_id = s.contact_id and s.exclusion is null
left join enrollment.enrollments e
  on e.source_id = s.job_id and e.contact_id = s.contact_id and s.exclusion is null
left join (
  select job_id, number, status, error, unnest(contact_ids) as contact_id
  from enrollment.enrollment_batches
  where status <> 'completed'
) b on b.job_id = s.job_id and b.contact_id = s.contact_id and s.exclusion is null;
"""

# The few questions that cross accounts. They run as the owner, show no row of any other table, and
# are all that work without an account set can see.
CROSSING = """
create function enrollment.account_named(wanted text)
  returns table (id uuid, name text, settings jsonb)
  language sql stable security definer set search_path = '' as $$
  select id, name, settings from enrollment.accounts where lower(name) = lower(wanted)
$$;

create function enrollment.all_accounts() returns table (id uuid, name text, created_at timestamptz)
  language sql stable security definer set search_path = '' as $$
  select id, name, created_at from enrollment.accounts order by lower(name)
$$;

create function enrollment.account_of_job(job uuid)
  returns table (id uuid, name text, settings jsonb)
  language sql stable security definer set search_path = '' as $$
  select a.id, a.name, a.settings
  from enrollment.enrollment_jobs j join enrollment.accounts a on a.id = j.account_id
  where j.id = job
$$;

-- Jobs that the queue has to start, oldest first.
create function enrollment.due_jobs()
  returns table (account_id uuid, account_name text, job_id uuid, attempt integer)
  language sql stable security definer set search_path = '' as $$
  select j.account_id, a.name, j.id, j.attempt
  from enrollment.enrollment_jobs j join enrollment.accounts a on a.id = j.account_id
  where j.completed_at is null and j.runner = 'queue'
    and (j.status = 'pending' or (j.status = 'scheduled' and j.scheduled_at <= now()))
  order by coalesce(j.scheduled_at, j.created_at), j.id
$$;
"""

SCOPED = (
    "contacts",
    "workflows",
    "enrollments",
    "enrollment_jobs",
    "job_inputs",
    "selected_contacts",
    "enrollment_batches",
    "enrollment_failures",
    "contact_changes",
)
FUNCTION_NAMES = (
    "account_named(text)",
    "all_accounts()",
    "account_of_job(uuid)",
    "due_jobs()",
)


def upgrade() -> None:
    """Create everything of the first version."""
    server = op.get_bind().dialect.server_version_info or ()
    uuid = NATIVE_UUID if server >= (18,) else OWN_UUID
    for script in (uuid, CURRENT_ACCOUNT, TABLES, VIEWS, CROSSING):
        op.execute(script)
    for table, column in (("accounts", "id"), *((name, "account_id") for name in SCOPED)):
        op.execute(f"alter table enrollment.{table} enable row level security")
        # The sub-select makes Postgres ask for the account once a statement, not once a row.
        op.execute(
            f"create policy one_account on enrollment.{table} "
            f"using ({column} = (select enrollment.current_account()))"
        )
        op.execute(f"grant select, insert, update, delete on enrollment.{table} to enrollment_app")
    if server >= (17,):
        # Lets the app role refresh the statistics of what it has just filled.
        for table in ("selected_contacts", "enrollment_batches"):
            op.execute(f"grant maintain on enrollment.{table} to enrollment_app")
    op.execute("grant select on enrollment.contact_activity to enrollment_app")
    op.execute("grant select on enrollment.enrollment_outcomes to enrollment_app")
    # A server may not let everybody execute new functions.
    for function in ("uuidv7()", "current_account()"):
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")
    for function in FUNCTION_NAMES:
        op.execute(f"revoke execute on function enrollment.{function} from public")
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")


def downgrade() -> None:
    """Drop everything of the first version; the data goes with it."""
    op.execute("drop view enrollment.enrollment_outcomes, enrollment.contact_activity")
    for function in FUNCTION_NAMES:
        op.execute(f"drop function enrollment.{function}")
    for table in (*reversed(SCOPED), "accounts"):
        op.execute(f"drop table enrollment.{table}")
    op.execute("drop function enrollment.current_account()")
    op.execute("drop function enrollment.uuidv7()")
