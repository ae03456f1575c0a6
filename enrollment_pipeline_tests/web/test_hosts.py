"""Lists of hosts: what an entry covers, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.web.hosts import (
    Host,
    covered,
    read_hosts,
    read_tokens,
    token_for,
)
from enrollment_pipeline.web.urls import read_url

LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("api.example.com", "https://api.example.com/x"),
        ("api.example.com", "http://api.example.com"),
        ("API.example.com.", "https://api.EXAMPLE.com:443/"),
        ("api.example.com", "https://api.example.com./"),
        ("a.example, api.example.com:8443 ,", "https://api.example.com:8443/"),
        ("api.example.com:80", "http://api.example.com/"),
        ("*.example.com", "https://api.example.com/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("*.example.com:8080", "http://api.example.com:8080/"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("::1", "http://[::1]/"),
        ("[2001:DB8:0:0::1]:8080", "http://[2001:db8::1]:8080/"),
        ("[::1]", "https://[0::1]/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://Bücher.example/"),
        ("*.bücher.example", "https://www.bücher.example/"),
        ("localhost", "http://localhost/"),
    ],
)
def test_a_host_of_the_list_is_covered(hosts: str, url: str) -> None:
    assert covered(read_url(url), read_hosts(hosts))


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("api.example.com", "https://example.com/"),
        ("api.example.com", "https://xapi.example.com/"),
        ("api.example.com", "https://api.example.com.evil.example/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com", "http://api.example.com:443/"),
        ("api.example.com:8443", "https://api.example.com/"),
        ("api.example.com:443", "http://api.example.com/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://evilexample.com/"),
        ("*.example.com", "https://api.example.com:8443/"),
        ("127.0.0.1", "http://127.1/"),
        ("127.0.0.1", "http://2130706433/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("example.com", "https://evil.example/?example.com"),
    ],
)
def test_no_other_host_is(hosts: str, url: str) -> None:
    assert not covered(read_url(url), read_hosts(hosts))


@pytest.mark.parametrize(
    "text",
    [
        *("", " , ", "*", "*.", "*.*.example.com", "a.*.com", "https://example.com", "a/b"),
        *("a b", "user@example.com", "example.com:", "example.com:0", "example.com:65536"),
        *("example.com:http", "example.com:８０", "[::1", "::1]", "[::1]8080", "x[::1]:1"),
        *("[fe80::1%eth0]", "*.0.0.1", "*.0x7f", "*.[::1]", "*.::1", "..", "[example.com]:1"),
    ],
)
def test_what_is_no_host_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"no host|below an address"):
        read_hosts(f"good.example,{text}" if text.strip(" ,") else text)


@given(labels=st.lists(LABEL, min_size=1, max_size=4), other=LABEL, port=st.integers(1, 65_535))
def test_a_name_covers_itself_and_a_star_only_what_is_below(
    labels: list[str], other: str, port: int
) -> None:
    name = ".".join(labels)
    below = read_url(f"https://{other}.{name}:{port}/")
    itself = read_url(f"https://{name}:{port}/")
    (exact,), (star,) = read_hosts(f"{name}:{port}"), read_hosts(f"*.{name}:{port}")

    assert (exact.covers(itself), exact.covers(below)) == (True, False)
    assert (star.covers(itself), star.covers(below)) == (False, True)
    assert not star.covers(read_url(f"https://{other}{name}:{port}/"))


def test_tokens_are_read_for_hosts_with_and_without_a_port() -> None:
    assert read_tokens('{"API.example.com": "one", "[::1]:8080": "two"}') == {
        Host("api.example.com"): "one",
        Host("::1", 8080): "two",
    }


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://api.example.com/", "one"),
        ("https://API.example.com.:443/", "one"),
        ("https://api.example.com:8443/", "two"),
        ("https://api.example.com:8444/", None),
        ("https://x.api.example.com/", None),
        ("https://example.com/", None),
        ("https://written.example/", "three"),
        ("http://written.example/", None),
    ],
)
def test_a_token_is_for_the_very_host_and_port(url: str, token: str | None) -> None:
    tokens = read_tokens(
        '{"api.example.com": "one", "api.example.com:8443": "two", "written.example:443": "three"}'
    )

    assert token_for(read_url(url), tokens) == token


@pytest.mark.parametrize(
    "text",
    [
        *("", "s3cret", "[]", '"s3cret"', "null", "1", '["a.example", "s3cret"]'),
        *('{"a.example": 1}', '{"a.example": ""}', '{"a.example": "s3cret s3cret"}'),
        *('{"a.example": "s3cret\\n"}', '{"a.example": "s3crét"}', '{"a.example": {"s3cret": 1}}'),
        *('{"*.example": "s3cret"}', '{"s3cret!": "a.example"}', '{"": "s3cret"}'),
        '{"a.example": "s3cret", "A.example.": "s3cret2"}',
        '{"a.example": "s3cret"',
        "[" * 100_000,
    ],
)
def test_tokens_that_cannot_be_used_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON object|^host \d|^the token of host \d") as refused:
        read_tokens(text)

    assert "s3cr" not in str(refused.value)
    # What a message leaves out must not be in what it was raised from either.
    assert refused.value.__cause__ is None
