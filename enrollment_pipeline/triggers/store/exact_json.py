"""JSON that the database keeps, read with the numbers that conditions compare: exact ones.

Whatever somebody has written into a table can be read: one row that cannot would hold up all.
"""

import json
from decimal import Decimal
from typing import Any


def read(text: str) -> Any:
    """Return what a text of JSON holds; None for what is nested deeper than can be followed."""
    for decode in (_decode, _decode_long):
        try:
            return decode(text)
        except RecursionError:
            return None
        except ValueError:
            # An integer of more than 4,300 digits, which Python refuses to make an int of.
            continue
    return None


_decode = json.JSONDecoder(parse_float=Decimal).decode
# Takes twice as long.
_decode_long = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal).decode
