"""Placeholders filled in: texts, JSON values, URLs and headers, and what none is made of."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline.workflows.rendering import (
    LONGEST,
    RenderError,
    Scope,
    render,
    render_headers,
    render_text,
    render_url,
)

SERVICE = "https://roles.example.com/api"
STRANGE = 'Bäcker/in (m/w/d) #1 & "50 %" ?a=b;c'


def scope(*, zone: str = "Europe/Berlin", service: str = SERVICE, **attributes: Any) -> Scope:
    """What an item with these attributes, and all around it, hold."""
    return Scope(
        {
            "item": {
                "name": "Nurse",
                "reference_name": None,
                "company": "Acme & Sons",
                "attributes": attributes,
                "documents": [{"title": "Profile"}],
            },
            "steps": {"assess": {"score": 0.5, "parts": {"a": [1, True, None]}}},
            "values": {"path": "/v2/roles?kind=new", "blank": "  ", "empty": "", "more": "2"},
            "account": {"name": "Agency"},
            "workflow": {"name": "Onboarding"},
            "role_service": {"url": service},
        },
        ZoneInfo(zone),
    )


def told(make: Callable[[], object]) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(RenderError) as refused:
        make()
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return str(refused.value)


def nested(levels: int, *, of: type[list[Any]] | type[dict[str, Any]] = list) -> Any:
    """A value within so many lists or objects."""
    value: Any = "x"
    for _ in range(levels):
        value = [value] if of is list else {"a": value}
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Hello", "Hello"),
        ("Hello {{item.name}}!", "Hello Nurse!"),
        ("{{item.name}}{{ item.company }}", "NurseAcme & Sons"),
        ("{{account.name}}: {{workflow.name}}", "Agency: Onboarding"),
        ("at {{role_service.url}} {{values.path}}", f"at {SERVICE} /v2/roles?kind=new"),
        ("[{{item.reference_name}}]", "[]"),
        ("[{{item.attributes.missing}}{{steps.gone.a.b}}{{nothing.x}}]", "[]"),
        ("[{{item.name.first}}]", "[]"),
        ("{{steps.assess.score}} {{steps.assess.parts.a}}", "0.5 [1,true,null]"),
        ("{{item.documents}}", '[{"title":"Profile"}]'),
        ("{{item.attributes.city}}", "Köln"),
        ("{{item.attributes}}", '{"city":"Köln","yes":true,"zero":0}'),
        ("{{item.attributes.yes}} {{item.attributes.zero}}", "true 0"),
        ("{ {item.name} } }} {{", "{ {item.name} } }} {{"),
    ],
)
def test_a_text_holds_what_its_placeholders_name(text: str, expected: str) -> None:
    assert render_text(text, scope(city="Köln", yes=True, zero=0)) == expected


@pytest.mark.parametrize(
    ("filters", "value", "expected"),
    [
        ("upper", "straße 1", "STRASSE 1"),
        ("lower", "ÄB", "äb"),
        ("title", "head of IT", "Head Of It"),
        ("upper", None, ""),
        ("upper", ["a", True], '["A",TRUE]'),
        ("upper | lower", "Ab", "ab"),
        ('default("there")', None, "there"),
        ('default("there")', "", "there"),
        ('default("there")', "x", "x"),
        ('default("there")', 0, "0"),
        ('default("there")', False, "false"),
        ('default("there")', [], "[]"),
        ('default("you | me")', None, "you | me"),
        ('default("")', None, ""),
        ('default("there") | upper', None, "THERE"),
        ('upper | default("there")', None, "there"),
        ('default("") | default("second")', None, "second"),
        ('default("2026-05-04T10:00") | date', None, "2026-05-04"),
        ("date", "2026-05-04", "2026-05-04"),
        ("date", "2026-05-04T23:30:00Z", "2026-05-05"),
        ("date", "2026-05-04T23:30:00", "2026-05-04"),
        ("date", "2026-05-04T01:00:00+09:00", "2026-05-03"),
        ("time", "2026-05-04T23:30:00Z", "01:30"),
        ("time", "2026-01-04T23:30:00Z", "00:30"),
        ("time", "2026-05-04T09:05:59", "09:05"),
        ("time", "2026-05-04", ""),
        ("date", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("time", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
        ("time", "0001-01-01T07:08", "07:08"),
        ("date", "soon", "soon"),
        ("time", "", ""),
        ("date", None, ""),
        ("date", 20260504, "20260504"),
        ("time", ["2026-05-04"], '["2026-05-04"]'),
        ("shout", "x", "x"),
    ],
)
def test_filters_change_a_value_one_after_the_other(
    filters: str, value: Any, expected: str
) -> None:
    assert render_text(f"{{{{item.attributes.x | {filters}}}}}", scope(x=value)) == expected


def test_times_are_those_of_the_clocks_of_the_account() -> None:
    text = "{{item.attributes.x | date}} {{item.attributes.x | time}}"
    at = "2026-05-04T03:00:00+00:00"

    assert render_text(text, scope(zone="America/New_York", x=at)) == "2026-05-03 23:00"
    assert render_text(text, scope(zone="Asia/Tokyo", x=at)) == "2026-05-04 12:00"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("{{item.attributes.n}}", 12),
        ("{{item.attributes.no}}", None),
        ("{{ item.attributes.deep.list }}", [1, {"a": None}]),
        ("{{item.documents}}", [{"title": "Profile"}]),
        (" {{item.attributes.n}}", " 12"),
        ("{{item.attributes.n}}{{item.attributes.n}}", "1212"),
        ('{{item.attributes.no | default("")}}', ""),
        ('{{item.attributes.n | default("none")}}', "12"),
        (
            {"role": {"name": "{{item.name}}"}, "scores": ["{{steps.assess.score}}", 1, "x"]},
            {"role": {"name": "Nurse"}, "scores": [0.5, 1, "x"]},
        ),
        ({"{{item.name}}": "{{item.name}}"}, {"{{item.name}}": "Nurse"}),
    ],
)
def test_a_placeholder_that_is_the_whole_text_becomes_the_value_itself(
    value: Any, expected: Any
) -> None:
    found = render(value, scope(n=12, deep={"list": [1, {"a": None}]}))

    assert found == expected
    assert type(found) is type(expected)


def test_what_has_been_entered_is_never_looked_through_for_placeholders() -> None:
    entered = scope(x="{{item.name}}", y={"{{item.name}}": ["{{item.name}}"]}, begin="{{item.")

    assert render_text("{{item.attributes.x}}", entered) == "{{item.name}}"
    assert render_text("{{item.attributes.begin}}name}}", entered) == "{{item.name}}"
    assert render("{{item.attributes.y}}", entered) == {"{{item.name}}": ["{{item.name}}"]}
    assert render_headers({"X": "{{item.attributes.x}}"}, entered) == {"X": "{{item.name}}"}
    assert render_url("{{role_service.url}}/{{item.attributes.x}}", entered) == (
        f"{SERVICE}/%7B%7Bitem.name%7D%7D"
    )


@pytest.mark.parametrize("of", [list, dict])
def test_what_is_nested_too_deep_is_no_body(of: Any) -> None:
    sentence = "What the step makes holds lists and objects that are nested too deep."
    within = scope(x=nested(99, of=of))

    assert render(nested(100, of=of), scope()) == nested(100, of=of)
    assert render(["{{item.attributes.x}}"], within) == [nested(99, of=of)]
    assert told(lambda: render(nested(101, of=of), scope())) == sentence
    assert told(lambda: render(nested(50_000, of=of), scope())) == sentence
    assert told(lambda: render([["{{item.attributes.x}}"]], within)) == sentence
    assert told(lambda: render("{{item.attributes.x}}", scope(x=nested(50_000)))) == sentence


def test_what_becomes_too_long_is_neither_a_text_nor_a_body() -> None:
    sentence = "What the step makes is longer than 2,000,000 characters."
    half = scope(x="a" * (LONGEST // 2), many=[0] * LONGEST)
    once, twice = "{{item.attributes.x}}", "{{item.attributes.x}}{{item.attributes.x}}"

    assert len(render_text(twice, half)) == LONGEST
    assert told(lambda: render_text(f"{twice}.", half)) == sentence
    assert told(lambda: render_headers({"X": f"{twice}."}, half)) == sentence
    assert told(lambda: render([f"{twice}."], half)) == sentence
    assert told(lambda: render([once, {"a": once}], half)) == sentence
    assert told(lambda: render({"a" * LONGEST: 1}, half)) == sentence
    assert told(lambda: render("{{item.attributes.many}}", half)) == sentence


@pytest.mark.parametrize(
    "value",
    [10**5_000, float("nan"), [float("inf")], nested(50_000), b"x", {"a": {1}}],
    ids=["digits", "nan", "infinite", "deep", "bytes", "set"],
)
def test_what_json_cannot_write_is_no_text(value: Any) -> None:
    sentence = "A value of the item cannot be written as a text."
    holding = scope(x=value)

    assert told(lambda: render_text("{{item.attributes.x}}", holding)) == sentence
    assert told(lambda: render_text("{{item.attributes.x | upper}}", holding)) == sentence
    assert told(lambda: render({"a": ["a {{item.attributes.x}}"]}, holding)) == sentence


@pytest.mark.parametrize(
    ("service", "url", "made"),
    [
        (SERVICE, "https://example.com/a/b?c=d", "https://example.com/a/b?c=d"),
        (SERVICE, "{{role_service.url}}", SERVICE),
        (SERVICE, "{{role_service.url}}/check", f"{SERVICE}/check"),
        (f" {SERVICE}/ ", "{{ role_service.url }}/check", f"{SERVICE}/check"),
        (f"{SERVICE}//", "{{role_service.url}}/check", f"{SERVICE}/check"),
        (f"{SERVICE}/", "{{role_service.url}}check", f"{SERVICE}/check"),
        (SERVICE, "{{role_service.url}}/{{item.name}}/check", f"{SERVICE}/Nurse/check"),
        (SERVICE, "{{role_service.url}}/{{item.name | lower}}", f"{SERVICE}/nurse"),
        (
            SERVICE,
            "{{role_service.url}}?who={{item.company}}&score={{steps.assess.score}}",
            f"{SERVICE}?who=Acme%20%26%20Sons&score=0.5",
        ),
        (f"{SERVICE}?key=1", "{{role_service.url}}&a={{item.name}}", f"{SERVICE}?key=1&a=Nurse"),
        ("https://a.example", "{{role_service.url}}?q={{item.name}}", "https://a.example?q=Nurse"),
        ("https://a.example/", "{{role_service.url}}{{item.name}}", "https://a.example/Nurse"),
        # What the account has entered stays as it is, also behind the beginning.
        (
            "https://a.example",
            "{{role_service.url}}{{values.path}}",
            "https://a.example/v2/roles?kind=new",
        ),
        ("a.example:8443", "https://{{role_service.url}}/x", "https://a.example:8443/x"),
        ("[::1]:80", "http://{{role_service.url}}/x", "http://[::1]:80/x"),
        # Slashes and dots of a query lead nowhere.
        (SERVICE, "{{role_service.url}}?a={{item.name}}/../x", f"{SERVICE}?a=Nurse/../x"),
        (SERVICE, "{{role_service.url}}?v={{values.more}}/x", f"{SERVICE}?v=2/x"),
        (SERVICE, "{{role_service.url}}?at=/x/{{item.name}}/", f"{SERVICE}?at=/x/Nurse/"),
        (SERVICE, "{{role_service.url}}/.../.{{item.name}}.", f"{SERVICE}/.../.Nurse."),
        (SERVICE, '{{role_service.url}}/{{item.x | default("a/b")}}', f"{SERVICE}/a%2Fb"),
    ],
)
def test_a_url_is_made_of_an_address_and_of_pieces(service: str, url: str, made: str) -> None:
    assert render_url(url, scope(service=service)) == made


@pytest.mark.parametrize(
    "value",
    [
        *(STRANGE, "a/b", "a\\b", "?x=1&y=2", "#part", "@evil.example", "//evil.example/", "%2e"),
        *("a;b=c", "a\r\nHost: evil.example", "\0", "ü 例え", "a b+c", "1:2", "...", "%2F..%2F"),
    ],
)
def test_whatever_an_item_holds_is_one_piece_of_a_url(value: str) -> None:
    url = "{{role_service.url}}/roles/{{item.attributes.x}}/check?of={{item.attributes.x}}&all=1"

    made = urlsplit(render_url(url, scope(x=value)))

    assert made.netloc == "roles.example.com"
    assert len(made.path.split("/")) == 5
    assert parse_qsl(made.query, separator="&") == [("of", value), ("all", "1")]
    assert not made.fragment


@pytest.mark.parametrize("value", [".", "..", " .. ", "../admin", "a/..", "a\\..\\b", "..;a", "./"])
def test_no_item_steps_aside_in_a_path(value: str) -> None:
    sentence = 'The URL that the step makes has "." or ".." as a piece of its path.'
    holding = scope(x=value)

    assert told(lambda: render_url(f"{SERVICE}/{{{{item.attributes.x}}}}", holding)) == sentence
    assert told(lambda: render_url(f"{SERVICE}/{{{{item.attributes.x}}}}/a", holding)) == sentence
    assert render_url(f"{SERVICE}?a={{{{item.attributes.x}}}}", holding)


@pytest.mark.parametrize(
    "path",
    [
        *("/{{item.attributes.dot}}{{item.attributes.dot}}/admin", "/.{{item.attributes.dot}}"),
        *(
            "/{{item.attributes.dot}}./a",
            "/%2e{{item.attributes.dot}}/a",
            "/%2{{item.attributes.e}}",
        ),
        *("/{{item.attributes.dot}};v=1/a", "/a/../b", "/%2E%2e"),
    ],
)
def test_no_pieces_together_step_aside_in_a_path(path: str) -> None:
    assert "as a piece of its path" in told(
        lambda: render_url("{{role_service.url}}" + path, scope(dot=".", e="e"))
    )


@pytest.mark.parametrize(
    ("service", "url", "name"),
    [
        ("https://a.example", "{{role_service.url}}{{item.name}}/x", "item.name"),
        ("https://a.example:80", "{{role_service.url}}{{item.name}}/x", "item.name"),
        ("https://a.example:", "{{role_service.url}}{{steps.assess.score}}", "steps.assess.score"),
        ("https://a.example#", "{{role_service.url}}{{item.name}}/", "item.name"),
        ("https://a.example\\", "{{role_service.url}}{{item.name}}/", "item.name"),
        ("https://", "{{role_service.url}}{{account.name}}/", "account.name"),
        ("https:///", "{{role_service.url}}{{item.name}}/", "item.name"),
        (SERVICE, "{{item.name}}", "item.name"),
        (SERVICE, "{{item.name}}{{role_service.url}}", "item.name"),
        (SERVICE, "https://{{item.company}}/x", "item.company"),
        (SERVICE, "https://user:{{item.name}}@a.example/", "item.name"),
        (SERVICE, "https://{{item.name}}.example.com/", "item.name"),
        ("ftp://a.example/", "{{role_service.url}}{{item.name}}", "item.name"),
    ],
)
def test_nothing_of_an_item_stands_where_the_host_is(service: str, url: str, name: str) -> None:
    assert told(lambda: render_url(url, scope(service=service))) == (
        f"{name} stands where the host of the URL is."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{item.reference_name}}", "needs item.reference_name, which is missing."),
        ("{{item.attributes.blank}}", "needs item.attributes.blank, which is missing."),
        ('{{item.x | default("")}}', "needs item.x, which is missing."),
        ("{{values.empty}}", "needs values.empty, which is missing."),
        ("{{values.blank}}", "needs values.blank, which is missing."),
        ("{{shop.link}}", "needs shop.link, which is missing."),
        ("{{item.documents}}", "cannot hold item.documents, which is no text."),
        ("{{steps.assess | upper}}", "cannot hold steps.assess, which is no text."),
        (
            "{{item.attributes.half}}",
            "cannot hold item.attributes.half, which is half of a character.",
        ),
    ],
)
def test_a_url_is_not_made_without_a_text_for_each_piece(text: str, sentence: str) -> None:
    holding = scope(blank=" \n", half="\ud800")

    assert told(lambda: render_url(f"{SERVICE}/{text}", holding)) == (
        f"The URL of the step {sentence}"
    )


@pytest.mark.parametrize("more", ["", "{{values.more}}"])
def test_a_path_does_not_follow_an_address_with_a_query(more: str) -> None:
    url = f"{{{{role_service.url}}}}{more}/x"

    assert told(lambda: render_url(url, scope(service=f"{SERVICE}?key=1"))) == (
        "An address with a query cannot be followed by a path."
    )


@pytest.mark.parametrize(
    "service",
    [
        *("roles.example.com", "ftp://roles.example.com", "/api", "javascript:alert(1)"),
        *("https:roles.example.com", "https://user:secret@roles.example.com", "https://[::1"),
        *("https://roles.example.com/#part", "https://roles.example.com/a b", "https://:80"),
        *("https://roles.example.com/\nx", "https://roles.example.com/\u2028x", "https://a\u2100b"),
    ],
)
def test_what_is_no_address_of_a_service_is_refused(service: str) -> None:
    assert told(lambda: render_url("{{role_service.url}}/x", scope(service=service))) == (
        "The URL that the step makes is no http or https address."
    )


def test_headers_are_filled_in_one_by_one() -> None:
    given = {
        "X-Role": "{{item.name}}, {{item.attributes.n}}",
        "X-None": "{{item.x}}",
        "{{a.b}}": "c",
    }

    assert render_headers(given, scope(n=12)) == {
        "X-Role": "Nurse, 12",
        "X-None": "",
        "{{a.b}}": "c",
    }


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\ta", "\0", "\x7f", "\x85", "\u2028"])
def test_no_value_breaks_the_line_of_a_header(value: str) -> None:
    assert told(lambda: render_headers({"X-Role": "a {{item.attributes.x}}"}, scope(x=value))) == (
        'The header "X-Role" would hold a line break or a control character.'
    )
