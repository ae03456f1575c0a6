"""URLs: one reading of each, and none of what cannot be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.web.urls import Url, host_name, read_url


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://api.example.com", Url("https", "api.example.com", 443, "/")),
        ("HTTP://API.Example.COM:8080/A?b=C", Url("http", "api.example.com", 8080, "/A?b=C")),
        ("https://example.com.:443/x#part", Url("https", "example.com", 443, "/x")),
        ("http://127.0.0.1?q", Url("http", "127.0.0.1", 80, "/?q")),
        ("http://[2001:DB8:0::1]:81/", Url("http", "2001:db8::1", 81, "/")),
        (
            "https://bücher.example/straße?q=ü",
            Url("https", "xn--bcher-kva.example", 443, "/stra%C3%9Fe?q=%C3%BC"),
        ),
        ("https://BÜCHER.example/%20", Url("https", "xn--bcher-kva.example", 443, "/%20")),
        ("http://例え。テスト/", Url("http", "xn--r8jz45g.xn--zckzah", 80, "/")),
        ("http://role_service:8000/", Url("http", "role_service", 8000, "/")),
        ("https://example.com/a@b", Url("https", "example.com", 443, "/a@b")),
    ],
)
def test_a_url_is_read_into_its_plainest_form(text: str, read: Url) -> None:
    assert read_url(text) == read


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("https://[::1]:8443", "https://[::1]:8443/"),
    ],
)
def test_the_port_of_the_scheme_is_not_written(url: str, shown: str) -> None:
    assert str(read_url(url)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.com", "ftp://example.com/", "file:///etc/passwd", "//example.com"),
        *("http://", "http:///path", "http://:80/", "https:example.com"),
        *("http://user@example.com/", "http://user:secret@example.com/", "http://a@b@c/"),
        *("http://example.com:0/", "http://example.com:65536/", "http://example.com:http/"),
        *("http://exa mple.com/", "http://example.com/a b", "http://example.com/\n", "\thttp://a/"),
        *("http://exam\nple.com/", "http://example.com\\@evil.example/", "http://example.com/\0"),
        *("http://[::1/", "http://::1/", "http://[fe80::1%eth0]/", "http://[example.com]/"),
        *("http://-a.example/", "http://a-/", "http://a/\ud800", "http://" + "a" * 254 + "/"),
        *("http://exam%70le.com/", "http://*.example.com/", "http://a,b/"),
        "http://stra\u00dfe.example/",
        "http://exa\u2100mple.com/",
        "https://example.com/" + "a" * 8_000,
    ],
)
def test_no_request_is_made_from_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|holds|does) ") as refused:
        read_url(text)

    assert type(refused.value) is ValueError
    assert "secret" not in str(refused.value)


@given(st.text(max_size=40) | st.from_regex(r"https?://[^/]{0,20}(:[0-9]{0,6})?/.{0,10}"))
def test_what_is_read_is_ascii_and_reads_the_same_again(text: str) -> None:
    try:
        url = read_url(text)
    except ValueError:
        return

    assert str(url).isascii()
    assert str(url).isprintable()
    assert read_url(str(url)) == url
    assert host_name(url.host) == url.host
