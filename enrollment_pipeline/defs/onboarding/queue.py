"""Items as work of the queue."""

from functools import partial

from enrollment_pipeline.defs.onboarding.job import onboard_item
from enrollment_pipeline.defs.onboarding.partitions import ONBOARDING_ITEMS
from enrollment_pipeline.defs.product import TERMINATED_BY
from enrollment_pipeline.defs.queue import WorkKind
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.store.queue import KIND

ITEMS = WorkKind(
    name=KIND,
    job=onboard_item,
    partitions=ONBOARDING_ITEMS,
    open_work=service.open_items,
    restart=service.restart,
    finish=partial(service.finish_terminated, actor=TERMINATED_BY),
)
