"""Keeping jobs under control: members, audit, budgets, lane slots, restarts, notifications."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
create table enrollment.members (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  name text not null,
  permissions text[] not null,
  created_at timestamptz not null default now(),
  constraint members_pkey primary key (id),
  constraint members_account foreign key (account_id) references enrollment.accounts (id)
);
create unique index members_name_key on enrollment.members (account_id, lower(name));

create table enrollment.audit_log (
  id bigint generated always as identity,
  account_id uuid not null,
  actor text not null,
  action text not null,
  result text not null,
  subject text,
  details jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  constraint audit_log_pkey primary key (id),
  constraint result_known check (result in ('done', 'denied'))
);
create index audit_log_newest on enrollment.audit_log (account_id, id desc);

alter table enrollment.enrollment_jobs
  add column request_hash text,
  add column brake_enrolled integer not null default 0,
  add column brake_failed integer not null default 0,
  add column restarts integer not null default 0,
  add column restart_mark integer not null default 0,
  add column waiting_since timestamptz,
  add column waiting_until timestamptz,
  add column waiting_for text,
  add column pruned_at timestamptz;

create index enrollment_batches_failed on enrollment.enrollment_batches (job_id)
  where status = 'failed';

create table enrollment.rate_buckets (
  account_id uuid not null,
  name text not null,
  window_started_at timestamptz not null default now(),
  used integer not null default 0,
  constraint rate_buckets_pkey primary key (account_id, name),
  constraint name_known check (name in ('minute', 'second', 'global_minute'))
);

create table enrollment.notification_channels (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  channel text not null,
  recipient text not null,
  events text[] not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  constraint notification_channels_pkey primary key (id),
  constraint notification_channels_key unique (account_id, channel, recipient),
  constraint channel_known check (channel in ('email', 'webhook'))
);

create table enrollment.webhook_secrets (
  account_id uuid not null,
  secret text not null,
  created_at timestamptz not null default now(),
  constraint webhook_secrets_pkey primary key (account_id)
);

create table enrollment.notifications (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  event text not null,
  subject_id uuid not null,
  occasion text not null default '',
  channel text not null,
  recipient text not null,
  payload jsonb not null,
  status text not null default 'queued',
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  closed_at timestamptz,
  constraint notifications_pkey primary key (id),
  constraint notifications_once
    unique (account_id, event, subject_id, occasion, channel, recipient),
  constraint channel_known check (channel in ('email', 'webhook')),
  constraint status_known check (status in ('queued', 'delivered', 'failed'))
);
create index notifications_due on enrollment.notifications (next_attempt_at)
  where status = 'queued';

create table enrollment.notification_deliveries (
  id bigint generated always as identity,
  account_id uuid not null,
  notification_id uuid not null,
  delivered boolean not null,
  answer_code integer,
  error text,
  seconds double precision not null,
  attempted_at timestamptz not null default now(),
  constraint notification_deliveries_pkey primary key (id),
  constraint notification_deliveries_notification foreign key (notification_id)
    references enrollment.notifications (id) on delete cascade
);
create index notification_deliveries_notification_id
  on enrollment.notification_deliveries (notification_id);
"""

# The two functions on budgets run as the owner, because the budget that all accounts share is a
# row that no account sees. They take the rows in one order, so that they cannot deadlock.
BUDGETS = """
create function enrollment.budgets(
  account uuid, per_minute integer, per_second integer, global_per_minute integer)
  returns table (account_id uuid, name text, most integer, period interval)
  language sql immutable set search_path = '' as $$
  select * from (values
    (account, 'minute', per_minute, interval '1 minute'),
    (account, 'second', per_second, interval '1 second'),
    ('00000000-0000-0000-0000-000000000000'::uuid, 'global_minute', global_per_minute,
     interval '1 minute')
  ) as budget (account_id, name, most, period)
  where most is not null
$$;

-- Takes up to `wanted` out of every budget that is set, the same number from each. A window begins
-- with the first reservation after the last one has ended. Granted 0, `opens_at` says when the
-- budget `held_by` opens again.
create function enrollment.reserve(
  account uuid, wanted integer, per_minute integer, per_second integer, global_per_minute integer,
  at timestamptz, out granted integer, out opens_at timestamptz, out held_by text)
  language plpgsql security definer set search_path = '' as $$
begin
  if account is distinct from enrollment.current_account() then
    raise insufficient_privilege using message = 'the budget of another account';
  end if;
  insert into enrollment.rate_buckets as bucket (account_id, name, window_started_at)
  select b.account_id, b.name, at
  from enrollment.budgets(account, per_minute, per_second, global_per_minute) b
  order by b.account_id, b.name
  on conflict (account_id, name) do update
    set used = 0, window_started_at = excluded.window_started_at
    where bucket.window_started_at
      + case bucket.name when 'second' then interval '1 second' else interval '1 minute' end
      <= excluded.window_started_at;
  -- Whether a window began or not, the rows are locked from here on.
  select greatest(0, least(wanted, min(b.most - r.used))),
    max(r.window_started_at + b.period) filter (where b.most <= r.used),
    (array_agg(r.name order by r.window_started_at + b.period desc)
      filter (where b.most <= r.used))[1]
  into granted, opens_at, held_by
  from enrollment.rate_buckets r
  join enrollment.budgets(account, per_minute, per_second, global_per_minute) b
    using (account_id, name);
  granted := coalesce(granted, wanted);
  update enrollment.rate_buckets r set used = r.used + granted
  from enrollment.budgets(account, per_minute, per_second, global_per_minute) b
  where r.account_id = b.account_id and r.name = b.name and granted > 0;
end
$$;

-- Gives back what was reserved at that time and not used, where its window has not ended since.
create function enrollment.give_back(
  account uuid, unused integer, per_minute integer, per_second integer, global_per_minute integer,
  at timestamptz)
  returns void language plpgsql security definer set search_path = '' as $$
begin
  if account is distinct from enrollment.current_account() then
    raise insufficient_privilege using message = 'the budget of another account';
  end if;
  perform from enrollment.rate_buckets r
    join enrollment.budgets(account, per_minute, per_second, global_per_minute) b
      using (account_id, name)
    order by r.account_id, r.name
    for update of r;
  update enrollment.rate_buckets r set used = greatest(0, r.used - unused)
  from enrollment.budgets(account, per_minute, per_second, global_per_minute) b
  where r.account_id = b.account_id and r.name = b.name and r.window_started_at <= at;
end
$$;
"""

# A slot is a lock that lasts as long as the transaction, so it is free again however that ends. A
# lane that finds none free queues up for one; the server serves that queue in order, and nobody
# can pass by with a try.
LANE_SLOTS = """
create function enrollment.take_lane(account uuid, lanes integer) returns boolean
  language plpgsql set lock_timeout = '500ms' as $$
begin
  if account is distinct from enrollment.current_account() then
    raise insufficient_privilege using message = 'the lanes of another account';
  end if;
  for slot in 1..lanes loop
    if pg_try_advisory_xact_lock(hashtextextended('enrollment lane ' || account || slot, 0)) then
      return true;
    end if;
  end loop;
  perform pg_advisory_xact_lock(hashtextextended(
    'enrollment lane ' || account || (1 + floor(random() * lanes))::integer, 0));
  return true;
exception when lock_not_available then
  return false;
end
$$;
"""

DUE_JOBS = """
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

CROSSING = """
-- Jobs that the queue has to see to their end, whatever they have come to.
create function enrollment.queue_jobs()
  returns table (account_id uuid, account_name text, job_id uuid, attempt integer, status text,
                 due_at timestamptz, alive_at timestamptz)
  language sql stable security definer set search_path = '' as $$
  select j.account_id, a.name, j.id, j.attempt, j.status, coalesce(j.scheduled_at, j.created_at),
    coalesce(j.heartbeat_at, j.scheduled_at, j.created_at)
  from enrollment.enrollment_jobs j join enrollment.accounts a on a.id = j.account_id
  where j.completed_at is null and (
    -- A cancellation that was cut off, whoever ran the job.
    j.status = 'cancelling' or (
      j.runner = 'queue' and j.status <> 'paused'
      -- One that says what is wrong with it waits for somebody to mend that.
      and coalesce(j.error, 'null') = 'null'
      and (j.status <> 'scheduled' or j.scheduled_at <= now())))
  order by coalesce(j.scheduled_at, j.created_at), j.id
$$;

-- Messages whose time has come, oldest first.
create function enrollment.due_notifications(at timestamptz, most integer)
  returns table (account_id uuid, notification_id uuid)
  language sql stable security definer set search_path = '' as $$
  select n.account_id, n.id from enrollment.notifications n
  where n.status = 'queued' and n.next_attempt_at <= at
  order by n.next_attempt_at, n.id
  limit most
$$;
"""

SCOPED = (
    "members",
    "rate_buckets",
    "notification_channels",
    "webhook_secrets",
    "notifications",
    "notification_deliveries",
)
FUNCTION_NAMES = (
    "budgets(uuid, integer, integer, integer)",
    "reserve(uuid, integer, integer, integer, integer, timestamptz)",
    "give_back(uuid, integer, integer, integer, integer, timestamptz)",
    "take_lane(uuid, integer)",
    "queue_jobs()",
    "due_notifications(timestamptz, integer)",
)


def upgrade() -> None:
    """Create the tables and functions of this version."""
    for script in (TABLES, BUDGETS, LANE_SLOTS, CROSSING):
        op.execute(script)
    op.execute("drop function enrollment.due_jobs()")
    for table in (*SCOPED, "audit_log"):
        op.execute(f"alter table enrollment.{table} enable row level security")
        op.execute(
            f"create policy one_account on enrollment.{table} "
            "using (account_id = (select enrollment.current_account()))"
        )
    # Written by the functions on budgets alone, which know the bounds.
    op.execute("grant select on enrollment.rate_buckets to enrollment_app")
    for table in SCOPED:
        if table != "rate_buckets":
            op.execute(
                f"grant select, insert, update, delete on enrollment.{table} to enrollment_app"
            )
    # What is written there stays as it is, whoever asks.
    op.execute("grant select, insert on enrollment.audit_log to enrollment_app")
    for function in FUNCTION_NAMES:
        op.execute(f"revoke execute on function enrollment.{function} from public")
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")


def downgrade() -> None:
    """Drop what this version created."""
    for function in reversed(FUNCTION_NAMES):
        op.execute(f"drop function enrollment.{function}")
    op.execute(DUE_JOBS)
    op.execute("revoke execute on function enrollment.due_jobs() from public")
    op.execute("grant execute on function enrollment.due_jobs() to enrollment_app")
    for table in ("audit_log", *reversed(SCOPED)):
        op.execute(f"drop table enrollment.{table}")
    op.execute("drop index enrollment.enrollment_batches_failed")
    op.execute(
        """
        alter table enrollment.enrollment_jobs
          drop column request_hash, drop column brake_enrolled, drop column brake_failed,
          drop column restarts, drop column restart_mark, drop column waiting_since,
          drop column waiting_until, drop column waiting_for, drop column pruned_at
        """
    )
