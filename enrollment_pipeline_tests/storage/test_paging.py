"""Pages: which there are, and how far the database can count."""

import pytest

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.storage.paging import offset_of

BIGINT = 2**63 - 1


@pytest.mark.parametrize(
    ("limit", "page", "offset"), [(1, 1, 0), (20, 1, 0), (20, 3, 40), (1, BIGINT, BIGINT - 1)]
)
def test_the_rows_before_a_page_are_those_of_the_pages_before_it(
    limit: int, page: int, offset: int
) -> None:
    assert offset_of(limit, page) == offset


@pytest.mark.parametrize(
    ("limit", "page"),
    [(0, 1), (1, 0), (-1, 1), (1, -1), (1, BIGINT + 1), (BIGINT + 1, 1), (20, 10**18), (7, 10**40)],
)
def test_a_page_that_the_database_cannot_count_to_is_refused(limit: int, page: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"no page {page} of {limit} rows"):
        offset_of(limit, page)
