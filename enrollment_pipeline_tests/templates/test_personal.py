"""Personal data and secrets in a text: what is found, and what people write that is neither."""

import pytest

from enrollment_pipeline.templates.name_texts import People
from enrollment_pipeline.templates.personal import Kind, found_in, is_personal_name

EMAIL, PHONE, NAME, URL, SECRET = Kind.EMAIL, Kind.PHONE, Kind.NAME, Kind.URL, Kind.SECRET

KNOWN = People.of(
    [
        "Xyzzo",
        "Ольга Иванова",
        "田中 花子",
        "محمد علي",
        "王 伟",
        "Will",
        "สมชาย",
        "Zoë Öztürk",
        "अंकिता",
    ]
)


def found(text: str, people: People = KNOWN) -> list[tuple[str, Kind]]:
    return [(text[one.start : one.end], one.kind) for one in found_in(text, people)]


@pytest.mark.parametrize(
    ("before", "personal", "after", "kind"),
    [
        ("Write to ", "anna.schmidt@example.com", ".", EMAIL),
        ("Write to mailbox <", "anna+news@mail.example.co.uk", ">", EMAIL),
        ("An ", "jürgen@müller.example", "!", EMAIL),
        ("", "anna (at) example.com", " please", EMAIL),
        ("the list of ", "anna@localhost", "", EMAIL),
        ("Ring ", "+49 170 1234567", " now", PHONE),
        ("Ring ", "+14155550123", "", PHONE),
        ("It is ", "(212) 555-0123", ".", PHONE),
        ("It is ", "212-555-0123", ".", PHONE),
        ("It is ", "030 901820", ".", PHONE),
        ("It is ", "06 12 34 56 78", ".", PHONE),
        ("It is ", "06.12.34.56.78", ".", PHONE),
        ("It is ", "020 7946 0958", ".", PHONE),
        ("It is ", "612 34 56 78", ".", PHONE),
        ("It is ", "017012345678", ".", PHONE),
        ("Call us at ", "555-0123", ".", PHONE),
        ("Tel.: ", "40 61 23 45", "", PHONE),
        ("Pay with ", "4111 1111 1111 1111", ".", SECRET),
        ("To ", "DE89 3704 0044 0532 0130 00", ".", SECRET),
        ("It says ", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", ".", SECRET),
        ("It says ", "pk_test_abcd", ".", SECRET),
        ("It says ", "ghp_abcdefghijklmnopqrstuvwxyzabcdefghij", ".", SECRET),
        ("It says ", "xoxb-1234-abcdefgh", ".", SECRET),
        ("It says ", "AKIAIOSFODNN7EXAMPLE", ".", SECRET),
        ("It says ", "AIzaSyAabcdefghijklmnopqrstuvwxyz12345", ".", SECRET),
        ("It says ", "SG.abcdefghijkl.mnopqrstuvwx", "", SECRET),
        ("It says ", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "", SECRET),
        ("It says ", "d41d8cd98f00b204e9800998ecf8427e", ".", SECRET),
        ("It says ", "0197a0e0-0000-7000-8000-00000000000a", ".", SECRET),
        ("Authorization: Bearer ", "abc.def-123", "", SECRET),
        ("password: ", "sunshine", " and more", SECRET),
        ('{"password": "', "two words", '"}', SECRET),
        ("Passwort: ", "geheim", "", SECRET),
        ("api_key=", "hello1", " &x", SECRET),
        ("See ", "https://anna:pw@example.com/", ".", URL),
        ("See ", "https://example.com/a?token=abc", ".", URL),
        ("See ", "https://example.com/a?utm_source=x&amp;sig=abc", " .", URL),
        ("See ", "https://example.com/a?to=anna%40example.com", ".", URL),
        ("See ", "https://example.com/a#access_token=abc", ".", URL),
        ("See ", "https://example.com/files/8fK2jd93KDls02mQ/", ".", URL),
        ("See ", "https://hooks.example.com/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "", URL),
        ("See ", "https://example.com/team/anna-schmidt", ".", URL),
        ("See ", "www.example.com/x?customer_id=7", ".", URL),
        ("See ", "example.com/x?email=me", ".", URL),
        ('<a href="', "https://example.com/?code=x1", '">here</a>', URL),
        ("Then ", "Anna Schmidt", " said", NAME),
        ("Then ", "Mark Johnson", " said", NAME),
        ("Then ", "Jean-Luc Picard", "'s ship", NAME),
        ("Then ", "Ludwig van Beethoven", " said", NAME),
        ("Then ", "ANNA SCHMIDT", " said", NAME),
        ("Then ", "A. Schmidt", " said", NAME),
        ("Потом ", "Август Абрамов", " сказал", NAME),
        ("Dear ", "Laura", ",", NAME),
        ("Best regards,\n", "Laura", "", NAME),
        ("<p>Best regards,</p><p>", "Laura", "</p>", NAME),
        ("Mr. ", "Black", " is here", NAME),
        ("Sehr geehrte Frau ", "Xyzabc", ",", NAME),
        ("ask for ", "Thomas", " there", NAME),
        ("we met ", "Xyzzo", " there", NAME),
        ("we met ", "xyzzo", "'s brother", NAME),
        ("пишет ", "Ольга Иванова", ".", NAME),
        ("пишет ", "Иванова Ольга", ".", NAME),
        ("", "田中花子", "さん、こんにちは", NAME),
        ("您好", "王伟", "，欢迎", NAME),
        ("مرحبا ", "محمد علي", "!", NAME),
        ("สวัสดี", "สมชาย", "ครับ", NAME),
        ("नमस्ते ", "अंकिता", "!", NAME),
        ("with ", "Zoe\u0308 O\u0308ztu\u0308rk", " there", NAME),
        ("Hi ", "Will", ",", NAME),
    ],
)
def test_what_is_personal_is_found_and_nothing_around_it(
    before: str, personal: str, after: str, kind: Kind
) -> None:
    assert found(before + personal + after) == [(personal, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "Mark your calendar for Black Friday in May",
        "Will you be there? Hope to see you in Summer.",
        "Best regards",
        "Call us, we are happy to help.",
        "Thanks for your order. Love it? Tell a friend.",
        "Dear Customer, Hi there, Hello Friend, Dear Sir or Madam,",
        "Grace period: May to June. Price drop! Young and old, black and white.",
        "Join us in Paris, Berlin, Austin or Florence.",
        "From Monday to Friday 9.00-17.00, Saturday 10:00 – 14:00",
        "$1,299.00 or 1.299,00 € or 1 000 000 EUR, 2,000,000,000 visitors",
        "On 12.03.2027 at 10:30, 2027-03-01 14:00, 03/15/2027, 2026-2027",
        "Order number 12345678, invoice 2027-0042, ticket #1",
        "24/7 support, 3-5 days, 50% off, 2-for-1, B2B, H1, MP3",
        "Version 10.15.7 and v2.0.1-beta.3",
        "color:#a1b2c3;background:#123456;font-family:Arial,Helvetica,sans-serif",
        "Donaudampfschifffahrtsgesellschaftskapitän, internationalisation",
        "https://example.com/blog/post https://example.com/2027/03/spring-sale#prices.",
        "https://example.com/?utm_source=newsletter&utm_campaign=summer-sale-2027",
        "logo@2x.png, @media, 5 @ 3 EUR, meet @ noon",
        "The key: start early. Your password is safe. Forgot your password?",
        "Use the code SUMMER20 at checkout. Basic information, Bearer certificates.",
        "Sehr geehrte Damen und Herren, Ihr Termin am Montag ist bestätigt.",
        "Liebe Kundin, lieber Kunde, im Mai beginnt der Sommer. Mit freundlichen Grüßen",
        "Bonjour, votre rendez-vous est confirmé. Cordialement, votre équipe",
        "Hola, su cita está confirmada para el lunes. Saludos, el equipo de soporte",
        "Rose petals, a bill to pay, a frank talk, jack of all trades, a grand sale",
        "Windows 11, iPhone 15, Google Calendar, Zoom, Stripe and Apple Pay",
        "MEET US AT THE BLACK FRIDAY SALE: LAST CHANCE",
        "Wir freuen uns auf Ihren Besuch in unserer Praxis am Schwarzen Berg.",
        "您好，欢迎使用我们的服务。ご予約ありがとうございます。안녕하세요 감사합니다",
        "Здравствуйте, спасибо за ваш заказ. Ждём вас в мае!",
    ],
)
def test_what_people_write_to_everybody_is_not_personal(text: str) -> None:
    assert found(text, People()) == []


def test_a_plain_address_hides_no_other_finding() -> None:
    text = "https://example.com/blog/post anna@example.com"
    assert found(text) == [("anna@example.com", EMAIL)]


def test_a_person_called_by_an_ordinary_word_does_not_make_the_word_personal() -> None:
    assert found("Will you come? I will.", People.of(["Will", "Best", "May"])) == []


def test_a_whole_name_of_ordinary_words_is_found() -> None:
    assert found("with Grace Young there", People.of(["Grace Young"])) == [("Grace Young", NAME)]


def test_a_lone_name_is_found_where_the_text_is_a_field_of_its_own() -> None:
    assert found_in("Laura") == []
    assert [one.kind for one in found_in("Laura", alone=True)] == [NAME]
    assert found_in("there", alone=True) == []


@pytest.mark.parametrize(
    "name",
    ["call_anna_schmidt", "vip-anna-schmidt", "AnnaSchmidt", "a_030901820", "for_xyzzo", "laura"],
)
def test_an_identifier_that_holds_a_name_is_personal(name: str) -> None:
    assert is_personal_name(name, KNOWN)


@pytest.mark.parametrize(
    "name",
    [
        "welcome_mail",
        "wait_3_days",
        "summer_sale",
        "lead",
        "vip",
        "plan",
        "birthday_2027",
        "nps",
        "Content-Type",
        "X-Api-Key",
        "hot-lead",
        "trial",
        "no_show",
        "review_request",
        "step_1",
        "",
    ],
)
def test_an_identifier_of_words_is_not_personal(name: str) -> None:
    assert not is_personal_name(name, KNOWN)


def test_long_texts_without_spaces_take_no_long_time() -> None:
    for unit in ("a", "a.", "a@", "1", "1 ", "a-", "A", "/", "&x=", "田", "a1"):
        found_in(unit * (50_000 // len(unit)))
