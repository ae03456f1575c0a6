"""The log of triggers: by account, with triggers that cannot be read, and occurrences by field."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The list of an account is read from its end: by the number alone, all accounts were looked
# through for the rows of a small one.
KEY = """
alter table enrollment.trigger_evaluations
  drop constraint trigger_evaluations_pkey,
  add constraint trigger_evaluations_pkey primary key ({columns});
"""

RESULTS = """
alter table enrollment.trigger_evaluations
  drop constraint result_known,
  add constraint result_known check (result in (
    'fired', 'queued', 'filters', 'workflow_inactive', 'trigger_inactive', 'contact_unknown',
    'contact_deleted', 'repeated', 'loop', 'late'{more}));
"""

# The year of an anniversary and the day of a date belong to a field: under the year alone, a
# trigger that was changed took what it had fired for another field, or for birthdays, as fired for
# the new one. What triggers have fired for the field they go by now stays fired.
BY_FIELD = """
update enrollment.trigger_evaluations e
set occurrence = e.occurrence || ' ' || (t.parameters ->> 'date_field')
from enrollment.triggers t
where t.id = e.trigger_id and t.parameters ->> 'date_field' is not null
  and (t.event = 'anniversary' and e.occurrence ~ '^[0-9]{1,4}$'
    or t.event = 'scheduled_date' and e.occurrence ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')
"""
# Of a trigger that has fired for two fields, one row for each year or day is kept.
WITHOUT_FIELD = """
delete from enrollment.trigger_evaluations e
using enrollment.trigger_evaluations other
where e.occurrence like '% %' and other.trigger_id = e.trigger_id
  and other.contact_id is not distinct from e.contact_id and other.number < e.number
  and split_part(other.occurrence, ' ', 1) = split_part(e.occurrence, ' ', 1);
delete from enrollment.trigger_evaluations e
using enrollment.trigger_evaluations other
where e.occurrence like '% %' and other.trigger_id = e.trigger_id
  and other.contact_id is not distinct from e.contact_id
  and other.occurrence = split_part(e.occurrence, ' ', 1);
update enrollment.trigger_evaluations
set occurrence = split_part(occurrence, ' ', 1) where occurrence like '% %';
"""

# A job whose details were removed no longer knows why it did not enroll somebody.
LOG = """
create or replace view enrollment.trigger_log with (security_invoker = true) as
select e.number, e.account_id, e.trigger_id, e.workflow_id, e.event_number, e.occurrence,
  e.contact_id, e.result,
  e.result not in ('filters', 'contact_unknown', 'contact_deleted'{unmatched}) as matched,
  n.id is not null as enrolled,
  case
    when e.result <> 'fired' then e.reason
    when n.id is not null then null
    when coalesce(s.exclusion, f.code) is not null
      then 'blocked: ' || lower(coalesce(s.exclusion, f.code))
    {pruned}
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
PRUNED = "when j.pruned_at is not null then 'no longer known: the job has no details any more'"


def upgrade() -> None:
    """Change key, results, occurrences and view of the log."""
    op.execute(KEY.format(columns="account_id, number"))
    op.execute(RESULTS.format(more=", 'trigger_unreadable'"))
    op.execute(LOG.format(unmatched=", 'trigger_unreadable'", pruned=PRUNED))
    op.execute(BY_FIELD)


def downgrade() -> None:
    """Change them back."""
    op.execute(WITHOUT_FIELD)
    op.execute(LOG.format(unmatched="", pruned=""))
    op.execute(
        "update enrollment.trigger_evaluations set result = 'trigger_inactive' "
        "where result = 'trigger_unreadable'"
    )
    op.execute(RESULTS.format(more=""))
    op.execute(KEY.format(columns="number"))
