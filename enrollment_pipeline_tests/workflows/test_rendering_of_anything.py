"""Whatever steps and items hold: only one kind of error, and no item leads a request elsewhere."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.web.urls import LONGEST_URL, Url, read_url
from enrollment_pipeline.workflows.placeholders import placeholders
from enrollment_pipeline.workflows.rendering import (
    RenderError,
    Scope,
    render,
    render_headers,
    render_text,
    render_url,
)

ZONES = st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")])

_hostile = st.text(
    st.sampled_from("./\\:@?#&=;%+ \t\r\n\0\x7f\xa02eEfF{}[]aü\u2028\ud800"), max_size=12
)
_known = st.sampled_from(
    [
        *(".", "..", "../..", "@evil.example", "//evil.example/", ":81/", "?a=b", "#c", "%2e%2e"),
        *("{{item.name}}", "{{values.a}}", "a\r\nHost: b", "http://evil.example", "\\..\\"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59-12:00", "2026-05-04", "24:00"),
    ]
)
_value = st.text(max_size=12) | _hostile | _known
_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | _value
    | st.sampled_from([b"x", {1}, 2**400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab") | _value, inner, max_size=3)
    ),
    max_leaves=6,
)
_roots = st.sampled_from(["item", "steps", "values", "role_service", "account", "", "x"])
_scopes = st.builds(Scope, st.dictionaries(_roots, _anything, max_size=5), ZONES)

_filters = st.sampled_from(
    ["date", "time", "upper", "lower", "title", 'default("../x")', 'default("")', "default", "odd"]
)
_placed = st.builds(
    lambda name, filters: "{{" + " | ".join([name, *filters]) + "}}",
    st.sampled_from(
        [
            *("item", "item.a", "item.b.a", "item.name", "steps.a", "steps.a.b", "account.name"),
            *("values.a", "values.b", "role_service.url", "x.\ud800", "item.a.a.a.b"),
        ]
    ),
    st.lists(_filters, max_size=2),
)
_literal = st.sampled_from(
    [
        *("https://", "http://a.example", "https://a.example/", "/", "?", "&b=", "#", ".", "%2"),
        *("%", ":", "@", "//", "\\", "[", ";", "{{", "}}", "{", " ", "/a/b", "?q="),
    ]
)
_texts = st.lists(_placed | _literal | _hostile, max_size=6).map("".join)


def or_refused(make: Callable[[], Any]) -> Any:
    """What is made; None where it is refused as it may be."""
    try:
        return make()
    except RenderError:
        return None


@given(_texts, _scopes)
@example("{{item.a}}", Scope({"item": {"a": {"b": float("nan")}}}, ZoneInfo("UTC")))
def test_nothing_but_one_error_comes_of_any_text_and_any_values(text: str, scope: Scope) -> None:
    made = or_refused(lambda: render_text(text, scope))
    assert made is None or isinstance(made, str)
    or_refused(lambda: render({text: [text, {"a": text}]}, scope))
    or_refused(lambda: render_url(text, scope))
    or_refused(lambda: render_headers({text: text}, scope))


@given(_anything, _scopes)
def test_nothing_but_one_error_comes_of_any_body(body: Any, scope: Scope) -> None:
    or_refused(lambda: render(body, scope))


@given(_hostile | _literal | st.text(), _scopes)
def test_a_text_without_placeholders_stays(text: str, scope: Scope) -> None:
    if any(placeholders(text)):
        return
    assert render_text(text, scope) == text
    assert render({"a": [text]}, scope) == {"a": [text]}
    assert or_refused(lambda: render_url(text, scope)) in (text, None)


@given(
    st.lists(_value, min_size=1, max_size=4), st.text(st.sampled_from("{}item.ame "), max_size=5)
)
def test_no_value_is_looked_through_for_placeholders(values: list[str], between: str) -> None:
    named = {str(number): value for number, value in enumerate(values)}
    scope = Scope({"item": {**named, "name": "SEEN"}}, ZoneInfo("UTC"))
    # Braces in front of a placeholder would be a part of it.
    between = between.rstrip("{ ")
    text = between.join(f"[{{{{item.{name}}}}}]" for name in named)

    if len(list(placeholders(text))) == len(values):
        assert render_text(text, scope) == between.join(f"[{value}]" for value in values)


@given(st.lists(_placed | _hostile, max_size=4).map("".join), _scopes)
def test_a_header_never_holds_a_control_character(text: str, scope: Scope) -> None:
    made = or_refused(lambda: render_headers({"X": text}, scope))

    assert made is None or not re.search(r"[\0-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]", made["X"])


# What an account may write in front of, between and behind the values of an item.
_owns = st.sampled_from(
    [
        *("https://a.example", "http://a.example:81", "https://a.example/", "https://a.example/b/"),
        *("https://a.example/b?c=d", "https://a.example?c=", "https://[::1]:8443/", "https://a"),
        *(
            "https://a.example#",
            "https://a.example/#",
            "https://u@a.example/",
            "https://a.example:",
        ),
    ]
)
_items = st.sampled_from(["{{item.a}}", "{{steps.b}}", "{{account.name}}", "{{item.a | upper}}"])
_betweens = st.sampled_from(
    ["", "/", "/x/", "?q=", "&r=", ".", "/.", "%2", "%", ";", "@", ":", "{{values.v}}", "//", "="]
)
_urls = st.builds(
    lambda own, parts: own + "".join(parts),
    _owns | st.just("{{role_service.url}}"),
    st.lists(_items | _betweens, min_size=1, max_size=6),
)


def url_of(text: str, own: str, more: str, values: list[str]) -> str | None:
    """The URL that a step makes of what an account has written and of the values of an item."""
    first, second, third = values
    return or_refused(
        lambda: render_url(
            text,
            Scope(
                {
                    "role_service": {"url": own},
                    "values": {"v": more},
                    "item": {"a": first},
                    "steps": {"b": second},
                    "account": {"name": third},
                },
                ZoneInfo("UTC"),
            ),
        )
    )


def shape(url: str) -> tuple[Any, ...]:
    """Everything of a URL that decides where a request goes, without the pieces themselves."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return (
        *(parts.scheme, parts.netloc, parts.hostname, parts.username, parts.fragment),
        parts.path.count("/"),
        len(query),
        parts.query.count("="),
        parts.query.count(";"),
    )


def read(url: str) -> Url | None:
    """The URL as a request is made from it; None where none is."""
    try:
        return read_url(url)
    except ValueError:
        return None


@given(
    _urls,
    _owns,
    st.sampled_from(["v", "/v/", "?v=", "."]),
    st.lists(_value, min_size=3, max_size=3),
)
def test_no_value_of_an_item_leads_a_request_elsewhere(
    text: str, own: str, more: str, values: list[str]
) -> None:
    plain, made = url_of(text, own, more, ["a"] * 3), url_of(text, own, more, values)
    if made is None:
        return

    assert plain is not None
    assert shape(made) == shape(plain)
    assert not {".", ".."} & set(re.split(r"[/\\]", unquote(urlsplit(made).path)))
    sent, meant = read(made), read(plain)
    assert (sent is None) == (meant is None) or len(made) > LONGEST_URL
    if sent is not None and meant is not None:
        assert (sent.scheme, sent.host, sent.port) == (meant.scheme, meant.host, meant.port)
        assert sent.target.count("/") == meant.target.count("/")


@given(_value, _value)
def test_every_value_that_is_not_refused_arrives_as_it_is(path: str, query: str) -> None:
    made = url_of("https://a.example/x/{{item.a}}/y?q={{steps.b}}&r=1", "", "", [path, query, ""])
    if made is None:
        return

    parts = urlsplit(made)
    assert [unquote(piece) for piece in parts.path.split("/")] == ["", "x", path.strip(), "y"]
    assert parse_qsl(parts.query) == [("q", query.strip()), ("r", "1")]
