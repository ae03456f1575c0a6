"""A small workflow document, and what others are made of."""

from typing import Any

Document = dict[str, Any]


def step(id_: str, type_: str = "send_email", **fields: Any) -> Document:
    return {"id": id_, "type": type_, **fields}


HELLO = step("hello", subject="Hello", body="Good day.")
PAUSE = step("pause", "wait", duration="2 days")
THANKS = step("thanks", subject="Thanks", body="That was it.")


def document(*steps: Document, **parts: Any) -> Document:
    return {"schema": 1, "name": "Welcome", "steps": list(steps), **parts}


BASE = document(HELLO, PAUSE, THANKS)
