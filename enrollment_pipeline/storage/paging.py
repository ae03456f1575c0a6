"""Pages of a list, as the database counts them."""

from enrollment_pipeline.errors import InvalidRequestError

# The largest number that LIMIT and OFFSET take.
_MOST = 2**63 - 1


def offset_of(limit: int, page: int) -> int:
    """Return how many rows come before a page; the first page is 1.

    Raises:
        InvalidRequestError: there is no such page.
    """
    if limit < 1 or page < 1:
        raise InvalidRequestError(f"There is no page {page} of {limit} rows; both begin at 1.")
    if limit * page > _MOST:
        raise InvalidRequestError(f"There is no page {page} of {limit} rows; that is too far.")
    return (page - 1) * limit
