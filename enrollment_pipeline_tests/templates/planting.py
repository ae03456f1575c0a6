"""Personal data and secrets as Hypothesis makes them up, and documents to plant them in."""

import importlib
import string
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import phonenumbers
from hypothesis import strategies as st

from enrollment_pipeline.templates.names import folded, is_ordinary

PEOPLE = (
    *("Xyzzo", "Brzenka", "Xyzzo Brzenka", "Ольга", "Иванова", "Ольга Иванова", "Ελένη Παππά"),
    *(
        "田中 花子",
        "김 민서",
        "王 小明",
        "محمد علي",
        "دانا",
        "Zoë Öztürk",
        "Łukasz Żak",
        "สมชาย ใจดี",
    ),
    *("अंकिता शर्मा", "שרה לוי", "Will Best", "Grace Young"),
)
_REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "CZ", "PT", "SE", "IE"),
    *("GR", "AU", "IN", "BR", "MX", "JP", "KR", "CN", "ZA", "IL", "TR", "UA", "RU", "AR"),
)
_LOCALES = (
    "de_DE",
    "en_US",
    "en_GB",
    "fr_FR",
    "es_ES",
    "it_IT",
    "pt_BR",
    "sv_SE",
    "cs_CZ",
    "ru_RU",
)

_LETTERS = string.ascii_letters + string.digits
_local_parts = st.from_regex(r"[a-z]{3,10}[._+-]?[a-z0-9]{3,10}", fullmatch=True)
_domains = st.from_regex(
    r"[a-z]{3,12}(-[a-z]{2,5})?\.(com|de|co\.uk|example|museum)", fullmatch=True
)


@dataclass(frozen=True, slots=True)
class Planted:
    """A text, and the part of it that must be nowhere in the result."""

    text: str
    telling: str


def _whole(text: str) -> Planted:
    return Planted(text, text)


def _random(least: int, most: int, alphabet: str = _LETTERS) -> st.SearchStrategy[str]:
    """Make up letters and digits that change often, unlike "NEWSLETTER2027"."""
    return st.text(alphabet, min_size=least, max_size=most).filter(
        lambda text: sum(one.isdigit() != two.isdigit() for one, two in pairwise(text)) > 2
    )


def _key(prefix: str, length: int) -> st.SearchStrategy[Planted]:
    return _random(length, length).map(lambda key: Planted(prefix + key, key))


def _phone(region: str, form: int, drawn: int) -> Planted:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    # Another number of the same kind: its last digits count for nothing.
    digits = str(number.national_number)
    other = phonenumbers.parse(f"+{number.country_code}{digits[:-3]}{drawn:03}")
    number = other if phonenumbers.is_valid_number(other) else number
    return _whole(phonenumbers.format_number(number, form))


def _full_names() -> st.SearchStrategy[Planted]:
    names = []
    for locale in _LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        given, family = (
            sorted(
                name
                for name in getattr(provider, attribute)
                if len(name) > 2 and name.isalpha() and not is_ordinary(folded(name))
            )
            for attribute in ("first_names", "last_names")
        )
        names.append(st.tuples(st.sampled_from(given), st.sampled_from(family)).map(" ".join))
    return st.one_of(names).map(_whole)


def planted() -> st.SearchStrategy[Planted]:
    """Make up something that must not be shared."""
    emails = st.tuples(_local_parts, _domains).map(lambda parts: _whole("@".join(parts)))
    forms = (
        phonenumbers.PhoneNumberFormat.E164,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        phonenumbers.PhoneNumberFormat.NATIONAL,
    )
    phones = st.builds(
        _phone, st.sampled_from(_REGIONS), st.sampled_from(forms), st.integers(0, 999)
    )
    jwts = st.tuples(_random(20, 40), _random(20, 40), _random(20, 40)).map(
        lambda parts: Planted("eyJ" + ".".join(parts), parts[2])
    )
    bearers = _random(12, 40).map(lambda token: Planted(f"Bearer {token}", token))
    passwords = st.tuples(
        st.sampled_from(("password: ", "Password=", "passwort: ", "pwd: ", "api_key=", "secret: ")),
        # A word could stand in the document by itself.
        _random(6, 20, _LETTERS + "!$%*+#"),
    ).map(lambda parts: Planted("".join(parts), parts[1]))
    urls = _random(12, 30).flatmap(
        lambda key: st.sampled_from(
            [
                Planted(f"https://example.com/shop?token={key}", key),
                Planted(f"https://example.com/shop?utm_source=x&amp;sig={key}", key),
                Planted(f"https://user:{key}@example.com/shop", key),
                Planted(f"https://example.com/hooks/{key}/", key),
                Planted(f"https://example.com/shop#session={key}", key),
            ]
        )
    )
    keys = st.one_of(
        _key("sk_live_", 24),
        _key("pk_test_", 24),
        _key("ghp_", 36),
        _key("xoxb-", 24),
        _key("AIza", 35),
        _key("SG.", 22),
        st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16).map(
            lambda key: Planted(f"AKIA{key}", key)
        ),
        _random(32, 32, "0123456789abcdef").map(_whole),
    )
    people = st.sampled_from(PEOPLE).map(_whole)
    return st.one_of(
        emails, phones, jwts, bearers, passwords, urls, keys, people, _full_names(), people
    )


def document(text: Callable[[str], str]) -> dict[str, Any]:
    """Return a valid workflow document whose every text has been through `text`, by its path."""
    return {
        "schema": 1,
        "name": text("Welcome series"),
        "description": text("Three e-mails over a week."),
        "integrations": ["email", "sms", "calendar"],
        "values": {"shop_link": text("https://shop.example.com/sale"), "motto": text("Be kind")},
        "trigger": {
            "event": "form_submitted",
            "parameters": {"form_id": text("newsletter")},
            "filters": {
                "logic": "AND",
                "conditions": [
                    {"field": "source", "operator": "equals", "value": text("landing page")},
                    {"field": "custom_fields.plan", "operator": "in", "value": [text("pro")]},
                    {"field": "data.answers.topic", "operator": "contains", "value": text("price")},
                ],
            },
            "settings": {"active": True, "enrollment_limit": "single"},
        },
        "steps": _steps(text),
        "goals": [
            {"name": text("Booked a talk"), "event": "appointment_booked", "then": "thanks"},
            {
                "name": "Bought",
                "condition": {
                    "conditions": [
                        {"field": "tags", "operator": "contains", "value": text("customer")}
                    ]
                },
            },
        ],
        "settings": {"reenrollment": "after_exit", "required_fields": ["email"]},
    }


def _steps(text: Callable[[str], str]) -> list[dict[str, Any]]:
    default = text("there").replace('"', "").replace("{", "").replace("}", "")
    return [
        {
            "id": "hello",
            "type": "send_email",
            "label": text("The first e-mail"),
            "subject": text(f'Hi {{{{contact.first_name | default("{default}")}}}}'),
            "body": text("Thank you. Visit https://example.com/blog/post or {{values.shop_link}}."),
        },
        {"id": "rest", "type": "wait", "duration": "3 days", "label": text("A rest")},
        {
            "id": "asks",
            "type": "condition",
            "condition": {
                "field": "custom_fields.plan",
                "operator": "equals",
                "value": text("pro"),
            },
            "then": "tells",
            "else": "marks",
        },
        {"id": "tells", "type": "send_sms", "body": text("Hello, {{calendar.booking_link}}")},
        {"id": "marks", "type": "add_tag", "tag": text("hot-lead")},
        {
            "id": "sets",
            "type": "update_field",
            "field": "custom_fields.plan",
            "value": text("premium"),
        },
        {
            "id": "posts",
            "type": "webhook",
            "url": "https://hooks.example.com/" + text("x").replace(" ", ""),
            "headers": {"X-Api-Key": text("abc"), "Content-Type": "application/json"},
            "body": {
                text("note"): [text("A new lead"), {"deep": {"er": text("yes")}}],
                "email": "{{contact.email}}",
                "count": 3,
            },
        },
        {
            "id": "asks_again",
            "type": "http_request",
            "method": "GET",
            "url": "{{values.shop_link}}",
            "body": text("plain text"),
            "save_as": "custom_fields.answer",
        },
        {
            "id": "works",
            "type": "create_task",
            "title": text("Call the lead"),
            "description": text("Ask what is missing."),
            "due": "2 days",
        },
        {"id": "notes", "type": "notify", "message": text("A lead is {{contact.status}}")},
        {"id": "meets", "type": "goal", "goal": "Bought", "otherwise": "continue"},
        {"id": "thanks", "type": "send_sms", "body": text("Thanks from {{account.name}}")},
        {"id": "stops", "type": "end"},
    ]


def document_for_items(text: Callable[[str], str]) -> dict[str, Any]:
    """Return a valid document for items whose every text has been through `text`."""
    return {
        "schema": 1,
        "name": text("New roles"),
        "description": text("Each role of a company, one by one."),
        "integrations": ["role_service"],
        "values": {"base": text("https://roles.example.com"), "motto": text("Be kind")},
        "steps": _steps_for_items(text),
        "goals": [
            {
                "name": text("Known"),
                "condition": {
                    "field": "item.attributes.kind",
                    "operator": "equals",
                    "value": text("known"),
                },
            }
        ],
        "settings": {"subject": "item", "estimate": "2 minutes"},
    }


def _steps_for_items(text: Callable[[str], str]) -> list[dict[str, Any]]:
    return [
        {
            "id": "checks",
            "type": "http_request",
            "label": text("Check the role"),
            "url": "{{role_service.url}}/roles/" + text("check").replace(" ", "-"),
            "headers": {"X-Company": text("{{item.company}}")},
            "body": {
                text("note"): [text("A new role"), "{{item.documents}}"],
                "attributes": "{{item.attributes}}",
                "title": text("{{item.name | title}}"),
            },
            "save_as": "attributes." + text("found"),
            "timeout": "2 minutes",
            "retry": "slow",
            "enhancement": True,
        },
        {
            "id": "asks",
            "type": "condition",
            "condition": {
                "conditions": [
                    {
                        "field": "steps.checks." + text("grade"),
                        "operator": "equals",
                        "value": text("good"),
                    },
                    {"field": "item.company", "operator": "not_equals", "value": text("nobody")},
                ]
            },
            "then": "sets",
        },
        {
            "id": "sets",
            "type": "update_field",
            "field": "attributes." + text("grade"),
            "value": text("{{steps.checks.grade}}"),
            "enhancement": True,
        },
        {
            "id": "posts",
            "type": "http_request",
            "url": "{{values.base}}/roles?kind=" + text("new").replace(" ", "+"),
            "body": text("{{item.name}} of {{item.company}}"),
        },
        {
            "id": "tells",
            "type": "notify",
            "message": "{{item.attributes." + text("owner") + "}} {{steps.checks.grade}}",
            "enhancement": True,
        },
        {"id": "stops", "type": "end"},
    ]
