"""How a job is cut: how many lanes, and how many batches in one transaction.

Pure arithmetic; the statement that writes the batches is in the store.
"""

from collections.abc import Mapping

# Measured with 1,000,000 contacts in batches of 100: 17,000-29,000 contacts/s with one batch a
# transaction, 35,000-42,000 with ten, 48,000-52,000 with fifty; a transaction of 5,000 contacts
# takes about 100 ms, which is what a cancellation waits for.
CONTACTS_PER_TRANSACTION = 5_000
# Below this a second lane costs more (about 0.07 s a step) than it saves.
CONTACTS_PER_LANE = 50_000


def lane_count(contacts: int, *, requested: int | None, allowed: int) -> int:
    """Return how many lanes work on a job: at least 1, at most `allowed`."""
    wanted = requested if requested is not None else -(-contacts // CONTACTS_PER_LANE)
    return max(1, min(wanted, allowed))


def portion_of(remaining: Mapping[int, int], granted: int) -> tuple[list[int], int]:
    """Return which of the claimed batches a budget lasts for, and for how many contacts of each.

    `remaining` holds the contacts left in each batch, in order. Whole batches, as many as fit; or a
    part of the first.
    """
    whole: list[int] = []
    left = granted
    for number, contacts in remaining.items():
        if contacts > left:
            break
        whole.append(number)
        left -= contacts
    if whole:
        return whole, granted
    return [next(iter(remaining))], granted


def claim_size(batch_size: int) -> int:
    """Return how many batches a lane claims in one transaction."""
    return max(1, CONTACTS_PER_TRANSACTION // batch_size)
