"""Workflow documents, integrations, the library of templates, agencies and their sub-accounts."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = """
alter table enrollment.accounts
  add column agency boolean not null default false,
  add column parent_id uuid,
  add constraint accounts_parent foreign key (parent_id) references enrollment.accounts (id);
create index accounts_parent_id on enrollment.accounts (parent_id) where parent_id is not null;
alter table enrollment.workflows
  add column version integer not null default 1,
  add column template_id uuid,
  add column template_version integer,
  add column template_category text,
  add column cloned_at timestamptz;
create index workflows_template on enrollment.workflows (account_id, template_id)
  where template_id is not null;
"""

TABLES = """
create table enrollment.integrations (
  account_id uuid not null,
  name text not null,
  details jsonb not null default '{}',
  connected_by text not null,
  connected_at timestamptz not null default now(),
  constraint integrations_pkey primary key (account_id, name),
  constraint integrations_account foreign key (account_id) references enrollment.accounts (id)
);

create table enrollment.templates (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  name text not null,
  description text not null default '',
  category text not null,
  tags text[] not null default '{}',
  step_types text[] not null default '{}',
  version integer not null default 1,
  source_workflow_id uuid,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint templates_pkey primary key (id),
  constraint templates_account foreign key (account_id) references enrollment.accounts (id)
);
create unique index templates_name_key on enrollment.templates (account_id, lower(name))
  where deleted_at is null;

create table enrollment.template_versions (
  account_id uuid not null,
  template_id uuid not null,
  version integer not null,
  document jsonb not null,
  note text not null default '',
  created_by text not null,
  created_at timestamptz not null default now(),
  constraint template_versions_pkey primary key (account_id, template_id, version),
  constraint template_versions_account foreign key (account_id)
    references enrollment.accounts (id)
);
create index template_versions_template on enrollment.template_versions (template_id, version);

create table enrollment.template_shares (
  account_id uuid not null,
  template_id uuid not null,
  shared_with uuid not null,
  shared_by text not null,
  shared_at timestamptz not null default now(),
  constraint template_shares_pkey primary key (template_id, shared_with),
  constraint shares_account foreign key (account_id) references enrollment.accounts (id),
  constraint shares_shared_with foreign key (shared_with) references enrollment.accounts (id),
  constraint shares_template foreign key (template_id) references enrollment.templates (id)
);
create index template_shares_shared_with on enrollment.template_shares (shared_with);

create table enrollment.template_usage (
  id uuid not null default enrollment.uuidv7(),
  account_id uuid not null,
  template_id uuid not null,
  template_version integer not null,
  template_account_id uuid,
  workflow_id uuid not null,
  used_by text not null,
  used_at timestamptz not null default now(),
  request_id text,
  constraint template_usage_pkey primary key (id),
  constraint usage_account foreign key (account_id) references enrollment.accounts (id),
  constraint usage_workflow foreign key (workflow_id) references enrollment.workflows (id)
);
create index template_usage_account on enrollment.template_usage (account_id, template_id);
create unique index template_usage_request on enrollment.template_usage (account_id, request_id)
  where request_id is not null;
create index template_usage_owner on enrollment.template_usage (template_account_id, template_id);
"""

# What one account may see of another: what an agency has shared with it, and who used that. Only
# reading: nobody writes rows of another account. Sharing goes to sub-accounts alone, which the
# policy of the shares demands, so that no program can give a template to a stranger.
SHARED = """
create function enrollment.may_share(template uuid, other uuid) returns boolean
  language sql stable security definer set search_path = '' as $$
  select exists (
    select from enrollment.templates t
    join enrollment.accounts a on a.parent_id = t.account_id
    where t.id = template and a.id = other
      and t.account_id = (select enrollment.current_account()))
$$;

create policy shared_with_me on enrollment.template_shares for select
  using (shared_with = (select enrollment.current_account()));
create policy only_sub_accounts on enrollment.template_shares as restrictive for insert
  with check (enrollment.may_share(template_id, shared_with));
create policy shared on enrollment.templates for select
  using (deleted_at is null and id in (
    select s.template_id from enrollment.template_shares s
    where s.shared_with = (select enrollment.current_account())));
create policy shared on enrollment.template_versions for select
  using (template_id in (
    select s.template_id from enrollment.template_shares s
    join enrollment.templates t on t.id = s.template_id and t.deleted_at is null
    where s.shared_with = (select enrollment.current_account())
      and s.account_id = template_versions.account_id));
create policy of_mine on enrollment.template_usage for select
  using (template_account_id = (select enrollment.current_account()));
create policy of_what_is_seen on enrollment.template_usage as restrictive for insert
  with check (
    template_account_id is null
    or template_account_id = (select enrollment.current_account())
    or exists (
      select from enrollment.template_shares s
      where s.template_id = template_usage.template_id
        and s.account_id = template_usage.template_account_id));
-- A share is given and taken back, and a use has happened: neither becomes another one.
revoke update on enrollment.template_shares from enrollment_app;
revoke update, delete on enrollment.template_usage from enrollment_app;
"""

# The names of an agency's sub-accounts, and of a sub-account's agency.
FAMILY = """
create function enrollment.sub_accounts() returns table (id uuid, name text)
  language sql stable security definer set search_path = '' as $$
  select a.id, a.name from enrollment.accounts a
  where a.parent_id = (select enrollment.current_account()) order by lower(a.name)
$$;

create function enrollment.agency_of() returns table (id uuid, name text)
  language sql stable security definer set search_path = '' as $$
  select p.id, p.name from enrollment.accounts a
  join enrollment.accounts p on p.id = a.parent_id
  where a.id = (select enrollment.current_account())
$$;
"""

SCOPED = ("integrations", "templates", "template_versions", "template_shares", "template_usage")
FUNCTION_NAMES = ("may_share(uuid, uuid)", "sub_accounts()", "agency_of()")


def upgrade() -> None:
    """Create the tables of this version, and the columns of accounts and workflows."""
    op.execute(COLUMNS)
    op.execute(TABLES)
    for table in SCOPED:
        op.execute(f"alter table enrollment.{table} enable row level security")
        op.execute(
            f"create policy one_account on enrollment.{table} "
            "using (account_id = (select enrollment.current_account()))"
        )
        op.execute(f"grant select, insert, update, delete on enrollment.{table} to enrollment_app")
    op.execute(SHARED)
    op.execute(FAMILY)
    for function in FUNCTION_NAMES:
        op.execute(f"revoke execute on function enrollment.{function} from public")
        op.execute(f"grant execute on function enrollment.{function} to enrollment_app")


def downgrade() -> None:
    """Drop what this version created; workflows made from templates stay."""
    for function in ("sub_accounts()", "agency_of()"):
        op.execute(f"drop function enrollment.{function}")
    # Policies name other tables of this version.
    op.execute("drop policy shared on enrollment.template_versions")
    op.execute("drop policy shared on enrollment.templates")
    op.execute("drop policy only_sub_accounts on enrollment.template_shares")
    for table in reversed(SCOPED):
        op.execute(f"drop table enrollment.{table}")
    op.execute(
        """
        drop function enrollment.may_share(uuid, uuid);
        drop index enrollment.workflows_template;
        alter table enrollment.workflows
          drop column version, drop column template_id, drop column template_version,
          drop column template_category, drop column cloned_at;
        drop index enrollment.accounts_parent_id;
        alter table enrollment.accounts drop column agency, drop column parent_id;
        """
    )
