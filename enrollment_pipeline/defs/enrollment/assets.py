"""The assets before and after the lanes: selection, eligibility, batches, report.

Each calls one phase and tells what it found as metadata. What is decided is decided in
`enrollment_pipeline.enrollment`.
"""

from datetime import UTC, datetime

import dagster as dg

from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS, GROUP
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.enrollment.phases import Phases, Report
from enrollment_pipeline.enrollment.report import duration_of
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import Outcome

KINDS = {"postgres"}


@dg.asset(
    partitions_def=ENROLLMENT_JOBS,
    group_name=GROUP,
    kinds=KINDS,
    description="One row per input row of a job: the identifier and the contact it names.",
)
def contact_selection(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Resolve the request's ids, filter or CSV once; the result is kept for the life of the job."""
    product.do(context, Phases.job)
    # Old jobs lose their partition, without which Dagster stores nothing of a run that is repeated.
    context.instance.add_dynamic_partitions(str(ENROLLMENT_JOBS.name), [context.partition_key])
    job = product.do(context, Phases.select)
    return dg.MaterializeResult(
        metadata={
            **_heading(job),
            "input_rows": job.input_rows,
            "total_contacts": job.total_contacts,
            **_counts(job, Outcome.DUPLICATE, Outcome.UNMATCHED, Outcome.REJECTED),
        }
    )


@dg.asset(
    partitions_def=ENROLLMENT_JOBS,
    group_name=GROUP,
    kinds=KINDS,
    deps=[contact_selection],
    description="The selected contacts that may not be enrolled, each with its code and reasons.",
)
def contact_eligibility(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Apply the ordered eligibility rules to the whole selection in one statement."""
    job = product.do(context, Phases.validate)
    excluded = sum(job.exclusions.values())
    return dg.MaterializeResult(
        metadata={
            "eligible": job.total_contacts - excluded,
            "excluded": excluded,
            "exclusions": reasons_table(job.exclusions),
        }
    )


@dg.asset(
    partitions_def=ENROLLMENT_JOBS,
    group_name=GROUP,
    kinds=KINDS,
    deps=[contact_eligibility],
    description="The eligible contacts, cut into batches, which are the unit of retry.",
)
def enrollment_batches(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Cut the eligible contacts into batches of the requested size, in the order of the input."""
    job = product.do(context, Phases.partition)
    return dg.MaterializeResult(
        metadata={
            "total_batches": job.total_batches,
            "batch_size": job.request["options"]["batch_size"],
        }
    )


@dg.asset(
    partitions_def=ENROLLMENT_JOBS,
    group_name=GROUP,
    kinds=KINDS,
    deps=["enrollments"],
    description="What became of every input row, as counts, tables and files; closes the job.",
)
def enrollment_report(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Write the result files and close the job."""
    report = product.do(context, Phases.report)
    return dg.MaterializeResult(metadata=_report_metadata(report))


def reasons_table(reasons: dict[str, int]) -> dg.TableMetadataValue:
    """Return counts by code as a table with the meaning of each code."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"code": code, "rows": number, "meaning": Reason(code).sentence})
            for code, number in reasons.items()
        ],
        schema=dg.TableSchema(
            [
                dg.TableColumn("code", "string"),
                dg.TableColumn("rows", "int"),
                dg.TableColumn("meaning", "string"),
            ]
        ),
    )


def _heading(job: Job) -> dict[str, dg.MetadataValue]:
    return {
        "workflow": dg.MetadataValue.text(job.workflow.name),
        "requested_by": dg.MetadataValue.text(job.requested_by),
        "selection": dg.MetadataValue.text(job.selection_type),
    }


def _counts(job: Job, *wanted: Outcome) -> dict[str, int]:
    return {str(outcome): job.outcomes[outcome] for outcome in wanted}


def _report_metadata(report: Report) -> dict[str, dg.MetadataValue | int | float]:
    job = report.job
    seconds = duration_of(job, datetime.now(UTC)) or 0.0
    enrolled = report.counts.outcomes[Outcome.ENROLLED]
    files = {
        f"file/{name}": dg.MetadataValue.path(str(path)) for name, path in report.files.items()
    }
    return {
        **_heading(job),
        "status": dg.MetadataValue.text(str(job.status)),
        "input_rows": job.input_rows,
        **{str(outcome): number for outcome, number in report.counts.outcomes.items()},
        "duration_seconds": seconds,
        "contacts_per_second": round(enrolled / seconds, 1) if seconds else 0.0,
        "reasons": reasons_table(report.counts.reasons),
        **files,
    }
