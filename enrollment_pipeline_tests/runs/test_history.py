"""What Dagster's history and its configuration say together: places, and room for more runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._utils.tags import TagConcurrencyLimitsCounter
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.runs.concurrency import MOST_AT_ONCE, tag_limits
from enrollment_pipeline.runs.history import free_places
from enrollment_pipeline.work.queueing import Room

KEYS = ["a", "b"]
VALUES = ["x", "y", ""]
tags = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
values = st.sampled_from(VALUES) | st.sampled_from(
    [None, {}, {"applyLimitPerUniqueValue": True}, {"applyLimitPerUniqueValue": False}]
)
limits = st.lists(
    st.fixed_dictionaries(
        {"key": st.sampled_from(KEYS), "limit": st.integers(0, 2)}, optional={"value": values}
    ),
    max_size=5,
)


def run(own: dict[str, str]) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="any", run_id=str(uuid4()), tags=own)


@given(limits=limits, at_work=st.lists(tags, max_size=8), more=st.lists(tags, max_size=8))
def test_room_is_what_dagster_would_start(
    limits: list[dict[str, Any]], at_work: list[dict[str, str]], more: list[dict[str, str]]
) -> None:
    counter = TagConcurrencyLimitsCounter(limits, [run(own) for own in at_work])
    room = Room(tag_limits(limits), at_work)

    for own in more:
        assert room.fits(own) is not counter.is_blocked(run(own))
        counter.update_counters_with_launched_item(run(own))
        room.take(own)


@contextmanager
def configured(folder: Path, config: str) -> Iterator[dg.DagsterInstance]:
    (folder / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{config}")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED) * 2:
            instance.add_run(run({"color": "red"}).with_status(status))
        instance.add_run(run({"color": "blue"}).with_status(dg.DagsterRunStatus.SUCCESS))
        yield instance


RED = "tag_concurrency_limits: [{key: color, value: red, limit: 4}]"


@pytest.mark.parametrize(
    ("config", "places", "room"),
    [
        (f"concurrency: {{runs: {{max_concurrent_runs: 6, {RED}}}}}", 2, False),
        (f"run_queue: {{max_concurrent_runs: -1, {RED}}}", MOST_AT_ONCE, False),
        ("concurrency: {runs: {max_concurrent_runs: 2}}", 0, True),
        ("concurrency: {runs: {max_concurrent_runs: -1}}", MOST_AT_ONCE, True),
    ],
)
def test_runs_that_have_not_ended_take_places_and_room(
    tmp_path: Path, config: str, places: int, room: bool
) -> None:
    with configured(tmp_path, config) as instance:
        free, left = free_places(instance)

    assert (free, left.fits({"color": "red"}), left.fits({"color": "blue"})) == (places, room, True)


def test_a_dagster_without_a_queue_starts_what_it_is_given() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        free, left = free_places(instance)

    assert (free, left.fits({"color": "red"})) == (MOST_AT_ONCE, True)
