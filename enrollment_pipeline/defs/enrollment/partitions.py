"""An enrollment job is a partition: its key is the job's id."""

import dagster as dg

ENROLLMENT_JOBS = dg.DynamicPartitionsDefinition(name="enrollment_jobs")
GROUP = "enrollment"
