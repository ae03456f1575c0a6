"""Put contacts into automation workflows without losing, doubling or spamming anyone.

Start at `docs/architecture.md`. The package root holds nothing but what every part shares:
`errors`, `settings`, `records`, and `definitions`, where Dagster enters.
"""
