"""Triggers in Dagster: the sensor on events, the schedule of times, and what it all came to."""
