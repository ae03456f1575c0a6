"""One request and its answer.

No redirect is followed and no proxy of the environment is asked, either of which could lead past
the check of the address. Does not belong here: what an answer means to whoever asked, and attempts
after the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import httpcore

from enrollment_pipeline.web.network import CheckedBackend, Resolve, resolve
from enrollment_pipeline.web.urls import Url


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the other side is waited for, in seconds: for each part, and in all."""

    connect: float = 5.0
    read: float = 5.0
    overall: float = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; addressee, length and connection are not in `headers`."""

    method: str
    url: Url
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Cut(StrEnum):
    """Why the body of an answer is not whole."""

    LONG = "long"
    LATE = "late"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of `headers` are in lower case, the last of several counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: Cut | None = None


def exchange(
    request: Request,
    *,
    allow_private: bool,
    patience: Patience,
    most_bytes: int,
    resolve: Resolve = resolve,
) -> Answer:
    """Make a request and return its answer, with up to `most_bytes` of the body.

    Raises:
        AddressNotAllowedError: the host leads to a private address, and none is allowed.
        httpcore.TimeoutException: there was no answer in time.
        httpcore.NetworkError: the other side cannot be reached, or hung up before it had answered.
        httpcore.LocalProtocolError: the request cannot be sent.
        httpcore.RemoteProtocolError: the answer is not HTTP.
    """
    backend = CheckedBackend(allow_private=allow_private, seconds=patience.overall, resolve=resolve)
    timeouts = {
        "connect": patience.connect,
        "read": patience.read,
        "write": patience.read,
        "pool": patience.connect,
    }
    url = request.url
    with (
        httpcore.ConnectionPool(network_backend=backend) as pool,
        pool.stream(
            request.method,
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers=_headers(request),
            # Empty bytes would be given a length, with whatever method.
            content=request.body or None,
            extensions={"timeout": timeouts},
        ) as response,
    ):
        body, cut = _body(response, most_bytes)
        return Answer(
            status=response.status,
            headers={
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            },
            body=body,
            cut=cut,
        )


def _headers(request: Request) -> list[tuple[str, str]]:
    own = {
        "host": request.url.netloc,
        "accept-encoding": "identity",
        "connection": "close",
    }
    # Servers wait for the body of such a request, or refuse it, where nothing says how long it is.
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        own["content-length"] = str(len(request.body))
    given = {name.lower(): value for name, value in request.headers.items()}
    return list({"user-agent": "enrollment-pipeline", **given, **own}.items())


def _body(response: httpcore.Response, most_bytes: int) -> tuple[bytes, Cut | None]:
    """Return the body and what kept it from being whole; the status is known all the same."""
    read = b""
    try:
        for piece in response.iter_stream():
            read += piece
            if len(read) > most_bytes:
                return read[:most_bytes], Cut.LONG
    except httpcore.TimeoutException:
        return read, Cut.LATE
    except (httpcore.NetworkError, httpcore.ProtocolError):
        return read, Cut.BROKEN
    return read, None
