"""The auto-brake: a job that fails too often is paused before it has failed for everybody."""

# Fewer contacts say too little about the rest (spec "Request").
BRAKE_AFTER = 200


def must_brake(*, enrolled: int, failed: int, share: float) -> bool:
    """Return whether more than `share` of the contacts tried since the start or resume failed.

    `failed` counts the contacts of batches that were given up, too. A share of 1 never brakes.
    """
    tried = enrolled + failed
    return tried >= BRAKE_AFTER and failed > share * tried
