"""Bulk operations on contacts, their images, and input that any work may keep."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What was the input of jobs is that of operations too, whose rows are in another table.
INPUTS = """
alter table enrollment.job_inputs rename to kept_inputs;
alter table enrollment.kept_inputs rename column job_id to work_id;
alter table enrollment.kept_inputs rename constraint job_inputs_pkey to kept_inputs_pkey;
alter table enrollment.kept_inputs drop constraint job_inputs_job;
-- Kept for minutes; to compress it takes longer than to write it.
alter table enrollment.kept_inputs alter column content set storage external;
"""
# From Postgres 18 on, columns that are not null have constraints with names, made of theirs.
NAMES = """
do $$
declare
  found record;
begin
  for found in
    select conname as name from pg_constraint
    where conrelid = 'enrollment.{table}'::regclass and contype = 'n'
  loop
    execute format('alter table enrollment.{table} rename constraint %I to %I', found.name,
      replace(replace(found.name, '{former}', '{table}'), '{former_id}', '{new_id}'));
  end loop;
end
$$
"""
INPUTS_OF_JOBS = """
delete from enrollment.kept_inputs i
where not exists (select 1 from enrollment.enrollment_jobs j where j.id = i.work_id);
alter table enrollment.kept_inputs rename constraint kept_inputs_pkey to job_inputs_pkey;
alter table enrollment.kept_inputs rename column work_id to job_id;
alter table enrollment.kept_inputs rename to job_inputs;
alter table enrollment.job_inputs alter column content set storage extended;
alter table enrollment.job_inputs add constraint job_inputs_job foreign key (job_id)
  references enrollment.enrollment_jobs (id) on delete cascade;
"""

TABLES = """
create table enrollment.bulk_operations (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  type text not null,
  status text not null,
  request jsonb not null,
  request_id text,
  request_hash text,
  source text not null,
  requested_by text not null,
  runner text not null,
  attempt integer not null default 1,
  restarts integer not null default 0,
  restart_mark bigint not null default '0',
  total integer not null default 0,
  mark bigint not null default '0',
  counts jsonb not null default '{}',
  error jsonb,
  result jsonb,
  after_id uuid,
  reverses_id uuid,
  withdraws_job_id uuid,
  schedule_id uuid,
  occurrence_at timestamptz,
  scheduled_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  prepared_at timestamptz,
  completed_at timestamptz,
  heartbeat_at timestamptz,
  images_removed_at timestamptz,
  files_removed_at timestamptz,
  constraint bulk_operations_pkey primary key (id),
  constraint bulk_operations_account foreign key (account_id) references enrollment.accounts (id),
  constraint bulk_operations_request_key unique (account_id, request_id),
  constraint bulk_operations_one_firing unique (schedule_id, occurrence_at),
  constraint type_known check (
    type in ('import', 'export', 'update', 'delete', 'rollback', 'withdrawal')),
  constraint runner_known check (runner in ('queue', 'caller')),
  constraint status_known check (status in (
    'scheduled', 'processing', 'completed', 'completed_with_errors', 'failed', 'cancelled',
    'rolled_back', 'partially_rolled_back'))
);
create index bulk_operations_newest
  on enrollment.bulk_operations (account_id, created_at desc, id desc);
create index bulk_operations_open on enrollment.bulk_operations (account_id)
  where completed_at is null;
create index bulk_operations_after on enrollment.bulk_operations (after_id)
  where after_id is not null;
create unique index bulk_operations_one_rollback
  on enrollment.bulk_operations (account_id, reverses_id)
  where reverses_id is not null and status not in ('failed', 'cancelled');
create unique index bulk_operations_one_withdrawal
  on enrollment.bulk_operations (account_id, withdraws_job_id)
  where withdraws_job_id is not null and status not in ('failed', 'cancelled');

create table enrollment.bulk_schedules (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  type text not null,
  request jsonb not null,
  cron text,
  rrule text,
  start text,
  timezone text not null,
  active boolean not null default true,
  requested_by text not null,
  created_at timestamptz not null default now(),
  ends_at timestamptz,
  constraint bulk_schedules_pkey primary key (id),
  constraint bulk_schedules_account foreign key (account_id) references enrollment.accounts (id)
);

create table enrollment.import_rows (
  account_id uuid not null,
  operation_id uuid not null,
  position integer not null,
  line integer not null,
  key text not null,
  email text,
  first_name text,
  last_name text,
  phone text,
  status text,
  tags text[],
  birthday date,
  timezone text,
  custom_fields jsonb,
  constraint import_rows_pkey primary key (operation_id, position)
);

create table enrollment.bulk_operation_rows (
  account_id uuid not null,
  operation_id uuid not null,
  position bigint not null,
  line integer,
  identifier text,
  contact_id uuid,
  outcome text not null,
  column_name text,
  value text,
  reason text not null,
  details jsonb,
  constraint bulk_operation_rows_pkey primary key (operation_id, position),
  constraint outcome_known check (outcome in (
    'skipped', 'duplicate', 'unmatched', 'rejected', 'failed', 'kept', 'errored'))
);

create table enrollment.bulk_operation_changes (
  account_id uuid not null,
  operation_id uuid not null,
  position bigint not null,
  contact_id uuid not null,
  before jsonb,
  after jsonb,
  constraint bulk_operation_changes_pkey primary key (operation_id, position)
);
"""

CROSSING = """
create function enrollment.account_of_operation(operation uuid)
  returns table (id uuid, name text, settings jsonb)
  language sql stable security definer set search_path = '' as $$
  select a.id, a.name, a.settings
  from enrollment.bulk_operations o join enrollment.accounts a on a.id = o.account_id
  where o.id = operation
$$;

-- Operations that the queue has to see to their end: those that are due, with what they wait for
-- completed, and those at work, also of a caller that shows no life.
create function enrollment.queue_operations()
  returns table (account_id uuid, account_name text, operation_id uuid, attempt integer,
                 due_at timestamptz, alive_at timestamptz)
  language sql stable security definer set search_path = '' as $$
  select o.account_id, a.name, o.id, o.attempt, o.scheduled_at,
    coalesce(o.heartbeat_at, o.started_at, o.scheduled_at)
  from enrollment.bulk_operations o
  join enrollment.accounts a on a.id = o.account_id
  left join enrollment.bulk_operations b on b.id = o.after_id and b.account_id = o.account_id
  where o.completed_at is null and o.scheduled_at <= now()
    and (o.after_id is null or b.status in ('completed', 'completed_with_errors'))
    and coalesce(o.error, 'null') = 'null'
    and (o.runner = 'queue'
      or coalesce(o.heartbeat_at, o.started_at, o.created_at) < now() - interval '90 seconds')
  order by o.scheduled_at, o.id
$$;
"""

# Channels that wanted to hear of everything there was hear of operations too.
CHANNELS = """
update enrollment.notification_channels
set events = events || array['operation_scheduled', 'operation_completed',
  'operation_completed_with_errors', 'operation_failed', 'operation_cancelled']
where events @> array['job_completed', 'job_completed_with_errors', 'job_failed', 'job_cancelled',
  'job_paused', 'run_failed', 'template_updated'];
"""
WITHOUT_OPERATIONS = """
update enrollment.notification_channels
set events = array(select one from unnest(events) one where one not like 'operation%');
"""

SCOPED = (
    "bulk_operations",
    "bulk_schedules",
    "import_rows",
    "bulk_operation_rows",
    "bulk_operation_changes",
)
FUNCTION_NAMES = ("account_of_operation(uuid)", "queue_operations()")


def upgrade() -> None:
    """Create the tables and functions of this version."""
    server = op.get_bind().dialect.server_version_info or ()
    op.execute(INPUTS)
    op.execute(
        NAMES.format(table="kept_inputs", former="job_inputs", former_id="job_id", new_id="work_id")
    )
    op.execute(TABLES)
    op.execute(CROSSING)
    op.execute(CHANNELS)
    for table in SCOPED:
        op.execute(f"alter table enrollment.{table} enable row level security")
        op.execute(
            f"create policy one_account on enrollment.{table} "
            "using (account_id = (select enrollment.current_account()))"
        )
        op.execute(f"grant select, insert, update, delete on enrollment.{table} to enrollment_app")
    if server >= (17,):
        # Lets the app role refresh the statistics of what it has just filled, or is about to.
        for table in ("import_rows", "contacts"):
            op.execute(f"grant maintain on enrollment.{table} to enrollment_app")
    for function in FUNCTION_NAMES:
        op.execute(f"revoke execute on function enrollment.{function} from public")
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")


def downgrade() -> None:
    """Drop what this version created; contacts stay as the operations have left them."""
    if (op.get_bind().dialect.server_version_info or ()) >= (17,):
        op.execute("revoke maintain on enrollment.contacts from enrollment_app")
    for function in FUNCTION_NAMES:
        op.execute(f"drop function enrollment.{function}")
    for table in reversed(SCOPED):
        op.execute(f"drop table enrollment.{table}")
    op.execute(INPUTS_OF_JOBS)
    op.execute(WITHOUT_OPERATIONS)
    op.execute(
        NAMES.format(table="job_inputs", former="kept_inputs", former_id="work_id", new_id="job_id")
    )
