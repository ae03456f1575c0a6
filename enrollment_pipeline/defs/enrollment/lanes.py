"""The asset `enrollments`: lanes that claim batches until none is left, and its blocking checks.

A lane is a worker, not a batch: a step costs 0.06 s in process and 2 s in a process of its own, and
ten thousand contacts are a hundred batches. Where the steps of a run share a process, one step
opens all lanes as threads; where each has a worker of its own, a lane is a step.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import dagster as dg

from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS, GROUP
from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, is_terminated
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.enrollment.lanes import drain_together
from enrollment_pipeline.enrollment.phases import Phases

# An event costs about 20 ms, so a step reports at most so often (seconds).
OBSERVATION_INTERVAL = 1.0
CHECKS = {
    "outcomes_add_up": "Every input row has exactly one outcome, and the counters agree.",
    "nobody_enrolled_twice": "No contact was enrolled twice by this job.",
    "contacts_belong_to_account": "Every enrolled contact is one of the job's account.",
}


@dg.op(
    ins={"enrollment_batches": dg.In(dg.Nothing)},
    out=dg.DynamicOut(int),
    description="Begins enrolling and opens as many lanes as the job is worth.",
)
def open_lanes(
    context: dg.OpExecutionContext, product: dg.ResourceParam[Product]
) -> Iterator[dg.DynamicOutput[int]]:
    """Yield a step per worker, with the number of lanes that it opens; 0 where nothing is left."""
    lanes = product.do(context, Phases.open_lanes)
    if product.one_step or not lanes:
        yield dg.DynamicOutput(lanes, mapping_key="lanes")
        return
    for number in range(1, lanes + 1):
        yield dg.DynamicOutput(1, mapping_key=f"lane_{number}")


@dg.op(out=dg.Out(dg.Nothing), description="Claims batches and enrolls them until none is left.")
def enroll_lane(
    context: dg.OpExecutionContext, product: dg.ResourceParam[Product], lanes: int
) -> None:
    """Work with so many lanes; a stop ends them after the transactions in progress."""
    if not lanes:
        return
    with product.opened(context, Phases) as phases, StopFlag() as stop:
        observed = _Observed(context, phases)
        workers = [phases.lane(stop, observed.count) for _ in range(lanes)]
        end = drain_together(workers, tell=observed.tell, every=OBSERVATION_INTERVAL)
    context.log.info(f"{lanes} lanes {end}: {observed.contacts} contacts.")
    if end is LaneEnd.STOPPED or (stop.is_set() and end is not LaneEnd.DONE):
        if is_terminated(context):
            product.do(context, lambda one: one.end(actor=TERMINATED_BY))
        elif context.run.remote_job_origin is None or not stop.is_set():
            # Unannounced, the run would end as FAILURE: one inside a command, which nobody else
            # announces, and one whose job was cancelled. A run of which only the process is
            # stopped, by a machine that goes down, may fail: another goes on.
            context.instance.report_run_canceling(context.run)
        raise dg.DagsterExecutionInterruptedError


@dg.op(
    ins={"lanes": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    description="Asks the database whether every batch has ended.",
)
def close_lanes(context: dg.OpExecutionContext, product: dg.ResourceParam[Product]) -> None:
    """Fail where batches are left: a re-execution may have skipped a lane."""
    job = product.do(context, Phases.close_lanes)
    progress = product.do(context, lambda phases: phases.progress(datetime.now(UTC)))
    context.add_output_metadata(
        {
            "enrolled": progress.success,
            "failed": progress.failed,
            "skipped": progress.skipped,
            "batches": job.total_batches,
        }
    )


@dg.graph_asset(
    name="enrollments",
    partitions_def=ENROLLMENT_JOBS,
    group_name=GROUP,
    kinds={"postgres"},
    ins={"enrollment_batches": dg.AssetIn(dagster_type=dg.Nothing)},
    description="One row per contact that a job put into a workflow.",
)
def enrollments(enrollment_batches: None) -> None:
    """Open lanes, let each drain the queue of batches, and see that nothing is left."""
    lanes = open_lanes(enrollment_batches).map(enroll_lane)
    return close_lanes(lanes.collect())  # type: ignore[no-any-return]


def _check_specs() -> list[dg.AssetCheckSpec]:
    # Dagster calls partitions of checks a preview; without them a result belongs to no job.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset="enrollments",
                description=description,
                blocking=True,
                partitions_def=ENROLLMENT_JOBS,
            )
            for name, description in CHECKS.items()
        ]


@dg.multi_asset_check(name="enrollment_checks", specs=_check_specs())
def enrollment_checks(
    context: dg.AssetCheckExecutionContext, product: dg.ResourceParam[Product]
) -> Iterator[dg.AssetCheckResult]:
    """Hold the job against what the product promises, before its report is written."""
    for check in product.do(context, Phases.check):
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key="enrollments",
            passed=check.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata=dict(check.figures),
        )


class _Observed:
    """Tells Dagster how far a job is, from the step's own thread."""

    def __init__(self, context: dg.OpExecutionContext, phases: Phases) -> None:
        self._context = context
        self._phases = phases
        self._lock = threading.Lock()
        self._told = 0
        self.contacts = 0

    def count(self, number: int) -> None:
        """Add the contacts of a transaction; called by every lane."""
        with self._lock:
            self.contacts += number

    def tell(self) -> None:
        """Record an observation, unless nothing has changed since the last.

        One that cannot be recorded is left out: lanes ride out an outage of the database, and must
        not be ended by the telling.
        """
        contacts = self.contacts
        if contacts == self._told:
            return
        with suppress(Exception):
            self._record()
            self._told = contacts

    def _record(self) -> None:
        progress = self._phases.progress(datetime.now(UTC))
        figures = {
            name: value
            for name, value in progress.as_dict().items()
            if isinstance(value, int | float)
        }
        self._context.log_event(
            dg.AssetObservation(
                asset_key="enrollments", partition=self._context.partition_key, metadata=figures
            )
        )
