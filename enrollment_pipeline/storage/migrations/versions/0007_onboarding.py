"""Batch onboarding: batches, items, and the checkpoints of their steps."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
create table enrollment.onboarding_batches (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  company text not null,
  company_key text not null,
  options jsonb not null,
  priority integer not null default 0,
  request_id text,
  request_hash text,
  source text not null,
  requested_by text not null,
  created_by text not null,
  refused jsonb not null,
  created_at timestamptz not null default now(),
  cancelled_at timestamptz,
  constraint onboarding_batches_pkey primary key (id),
  constraint onboarding_batches_account foreign key (account_id)
    references enrollment.accounts (id),
  constraint onboarding_batches_request_key unique (account_id, request_id)
);
create index onboarding_batches_newest
  on enrollment.onboarding_batches (account_id, created_at desc, id desc);

create table enrollment.onboarding_items (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  batch_id uuid not null,
  position integer not null,
  role_name text not null,
  role_key text not null,
  reference_name text,
  attributes jsonb not null,
  documents jsonb not null,
  workflow_id uuid not null,
  status text not null,
  attempt integer not null default 1,
  run_number integer not null default 1,
  round integer not null default 1,
  restarts integer not null default 0,
  restart_mark integer not null default 0,
  step text,
  error jsonb,
  dashboard_url text,
  created_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  started_at timestamptz,
  resumed_at timestamptz,
  worked_seconds double precision not null default 0,
  completed_at timestamptz,
  heartbeat_at timestamptz,
  constraint onboarding_items_pkey primary key (id),
  constraint onboarding_items_batch foreign key (batch_id)
    references enrollment.onboarding_batches (id) on delete cascade,
  constraint onboarding_items_position unique (batch_id, position),
  constraint status_known check (
    status in ('queued', 'in_progress', 'ready', 'degraded', 'failed', 'cancelled')),
  constraint ended_or_open check (
    (completed_at is null) = (status in ('queued', 'in_progress')))
);
create index onboarding_items_role on enrollment.onboarding_items (account_id, role_key);
create index onboarding_items_open on enrollment.onboarding_items (batch_id, due_at, position)
  where completed_at is null;
create index onboarding_items_done
  on enrollment.onboarding_items (account_id, workflow_id, completed_at desc)
  where status in ('ready', 'degraded');

create table enrollment.onboarding_steps (
  account_id uuid not null,
  item_id uuid not null,
  round integer not null,
  step_id text not null,
  visit integer not null,
  status text not null,
  attempt integer not null,
  calls integer not null default 0,
  key_number integer not null default 1,
  output jsonb,
  cost numeric not null default 0,
  error jsonb,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint onboarding_steps_pkey primary key (item_id, round, step_id, visit),
  constraint onboarding_steps_item foreign key (item_id)
    references enrollment.onboarding_items (id) on delete cascade,
  constraint status_known check (status in ('begun', 'waiting', 'done', 'skipped', 'failed'))
);
"""

CROSSING = """
create function enrollment.account_of_onboarding_item(item uuid)
  returns table (id uuid, name text, settings jsonb)
  language sql stable security definer set search_path = '' as $$
  select a.id, a.name, a.settings
  from enrollment.onboarding_items i join enrollment.accounts a on a.id = i.account_id
  where i.id = item
$$;

create function enrollment.onboarding_items_among(items uuid[])
  returns table (id uuid)
  language sql stable security definer set search_path = '' as $$
  select i.id from enrollment.onboarding_items i where i.id = any(items)
$$;

-- Items that the queue has to see to: those at work, and of each company the next few, so that
-- no company's thousands hide another's. At work is what has shown life since it was due; one whose
-- wait is over has not, and is one of the next. What has not begun rests while its workflow is
-- paused.
create function enrollment.queue_onboarding_items(most integer)
  returns table (account_id uuid, account_name text, company_key text, item_id uuid,
                 run_number integer, priority integer, due_at timestamptz, alive_at timestamptz)
  language sql stable security definer set search_path = '' as $$
  select q.account_id, a.name, q.company_key, q.id, q.run_number, q.priority, q.due_at,
    coalesce(q.heartbeat_at, q.started_at, q.due_at)
  from (
    select n.*, b.company_key, b.priority, row_number() over (
      partition by n.account_id, b.company_key
      order by b.priority desc, n.due_at, n.batch_id, n.position
    ) as place
    from enrollment.onboarding_batches b
    cross join lateral (
      select * from enrollment.onboarding_items i
      where i.batch_id = b.id and i.completed_at is null and i.due_at <= now()
        and not (i.status = 'in_progress' and i.heartbeat_at >= i.due_at)
        and not (i.status = 'queued' and exists (
          select from enrollment.workflows w where w.id = i.workflow_id and w.status = 'paused'))
      order by i.due_at, i.position
      limit most
    ) n
    union all
    select i.*, b.company_key, b.priority, 0
    from enrollment.onboarding_items i
    join enrollment.onboarding_batches b on b.id = i.batch_id
    where i.completed_at is null and i.due_at <= now()
      and i.status = 'in_progress' and i.heartbeat_at >= i.due_at
  ) q
  join enrollment.accounts a on a.id = q.account_id
  where q.place <= most
  order by q.due_at, q.batch_id, q.position
$$;
"""

# Channels that wanted to hear of everything there was hear of onboarding too.
CHANNELS = """
update enrollment.notification_channels
set events = events || array['onboarding_finished', 'onboarding_step']
where events @> array['job_completed', 'job_completed_with_errors', 'job_failed', 'job_cancelled',
  'job_paused', 'operation_scheduled', 'operation_completed', 'operation_completed_with_errors',
  'operation_failed', 'operation_cancelled', 'run_failed', 'template_updated'];
"""
WITHOUT_ONBOARDING = """
update enrollment.notification_channels
set events = array(select one from unnest(events) one where one not like 'onboarding%');
"""

SCOPED = ("onboarding_batches", "onboarding_items", "onboarding_steps")
FUNCTION_NAMES = (
    "account_of_onboarding_item(uuid)",
    "onboarding_items_among(uuid[])",
    "queue_onboarding_items(integer)",
)


def upgrade() -> None:
    """Create the tables and functions of this version."""
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
    for function in FUNCTION_NAMES:
        op.execute(f"revoke execute on function enrollment.{function} from public")
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")


def downgrade() -> None:
    """Drop what this version created."""
    for function in FUNCTION_NAMES:
        op.execute(f"drop function enrollment.{function}")
    for table in reversed(SCOPED):
        op.execute(f"drop table enrollment.{table}")
    op.execute(WITHOUT_ONBOARDING)
