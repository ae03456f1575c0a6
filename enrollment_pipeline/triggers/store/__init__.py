"""SQL of triggers: the triggers themselves, events, evaluations and occurrences."""
