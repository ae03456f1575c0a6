"""All Dagster definitions, one folder per capability; decides nothing."""
