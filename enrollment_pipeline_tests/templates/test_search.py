"""Search over the library: a realistic one of forty templates, and what people type."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.templates.search import MOST_CHARACTERS, Entry, Hit, Index, search
from enrollment_pipeline_tests.templates.library import LIBRARY

INDEX = Index(LIBRARY)
CATEGORIES = {entry.category for entry in LIBRARY}


def keys(query: str, limit: int = 100) -> list[str]:
    return [hit.entry.key for hit in search(INDEX, query, limit=limit)]


def entry(key: str, name: str = "", used: int = 0, **parts: str) -> Entry:
    return Entry(
        key,
        name,
        parts.get("description", ""),
        tuple(parts.get("tags", "").split()),
        parts.get("category", ""),
        tuple(parts.get("step_types", "").split()),
        used,
    )


def found(entries: Sequence[Entry], query: str) -> list[Hit]:
    return search(entries, query, limit=100)


# What people type


@pytest.mark.parametrize(
    ("query", "first"),
    [
        # As it is written.
        ("birthday", ["birthday", "bday-gift"]),
        ("appointment reminder", ["appt"]),
        ("reminder appointment", ["appt"]),
        ("review", ["review", "thanks"]),
        ("lead", ["speed", "hot"]),
        ("loyalty", ["cafe", "referral", "anni"]),
        ("payment billing", ["invoice", "failed"]),
        # Typos: a letter swapped, left out, doubled, wrong, too many.
        ("brithday", ["birthday", "bday-gift"]),
        ("birtday", ["birthday"]),
        ("birthdayy", ["birthday"]),
        ("nirthday", ["birthday"]),
        ("apointment remnder", ["appt"]),
        ("appointmnet", ["appt"]),
        ("anniversery", ["anni", "half"]),
        ("welcom seris", ["welcome"]),
        ("confrimation", ["confirm"]),
        ("newsleter", ["news"]),
        ("invocie", ["invoice"]),
        ("webniar", ["webinar"]),
        ("refferal", ["referral"]),
        # Written as one word, as two, with a hyphen.
        ("reengage", ["reengage"]),
        ("re-engage", ["reengage"]),
        ("reengagment", ["reengage"]),
        ("re engagement", ["reengage"]),
        ("noshow", ["no-show"]),
        ("no show", ["no-show"]),
        ("no-show", ["no-show"]),
        ("followup", ["download", "quote"]),
        ("follow up", ["download", "quote"]),
        ("win-back", ["winback"]),
        ("winback", ["winback"]),
        ("checkin", ["check-in"]),
        ("check up", ["recall"]),
        ("e-mail course", ["course"]),
        ("email course", ["course"]),
        ("birthdaygift", ["bday-gift"]),
        # Still being typed.
        ("birth", ["birthday"]),
        ("appo", ["appt"]),
        ("appointment rem", ["appt"]),
        ("apointm", ["appt"]),
        ("welcome se", ["welcome"]),
        # Another form of the word.
        ("reviews", ["review"]),
        ("reminding", ["appt"]),
        ("booked", ["confirm"]),
        ("reengaging", ["reengage"]),
        ("celebrate", ["birthday"]),
        ("invoices", ["invoice"]),
        ("confirmed booking", ["confirm"]),
        # Case, accents, punctuation, words that say nothing.
        ("CAFE", ["cafe"]),
        ("café", ["cafe"]),
        ("cafe\u0301!", ["cafe"]),
        ("  Birthday,   WISHES?! ", ["birthday"]),
        ("reminder for an appointment", ["appt"]),
        ("request a review", ["review"]),
        ("the cart", ["cart"]),
        # By other parts than the name.
        ("stars", ["review-sms", "review"]),
        ("checkout", ["cart"]),
        ("nurturing webinar", ["webinar"]),
        ("webhook", ["crm"]),
        ("sms", ["appt", "review-sms", "speed", "no-show"]),
        ("2027", ["news"]),
        ("lessons", ["course"]),
        ("surprise", ["half"]),
        ("declined card", ["failed"]),
    ],
)
def test_what_people_type_finds_what_they_mean(query: str, first: list[str]) -> None:
    assert keys(query)[: len(first)] == first


@pytest.mark.parametrize(
    ("query", "all_of_them"),
    [
        ("unhappy", ["rescue"]),
        ("kick off", ["kick-off"]),
        ("cart abandoned", []),  # every word must match something
        ("birthday webhook", []),
        ("nurturing sms", ["speed"]),
        ("onboarding create task", ["kick-off"]),
        ("webhook deals", ["crm"]),
        ("subscription", ["renewal", "cancel"]),
    ],
)
def test_only_templates_in_which_every_word_is_found(query: str, all_of_them: list[str]) -> None:
    assert keys(query) == all_of_them


def test_email_finds_every_template_that_sends_one() -> None:
    sending = {one.key for one in LIBRARY if "send_email" in one.step_types}
    assert set(keys("email")) >= sending
    assert "crm" not in keys("email")
    assert set(keys("emial")) >= sending


def test_a_category_is_found_by_its_words() -> None:
    for category in CATEGORIES:
        expected = {one.key for one in LIBRARY if one.category == category}
        assert set(keys(category.replace("_", " "))) >= expected


def test_each_name_finds_itself_first_and_in_full() -> None:
    for one in LIBRARY:
        hit = search(INDEX, one.name, limit=1)[0]
        assert (hit.entry.key, hit.score, hit.matched) == (one.key, 100, "name")


def test_each_name_with_two_letters_swapped_still_finds_itself() -> None:
    for one in LIBRARY:
        longest = max(one.name.split(), key=len)
        middle = len(longest) // 2
        swapped = (
            longest[: middle - 1] + longest[middle] + longest[middle - 1] + longest[middle + 1 :]
        )
        assert one.key in keys(one.name.replace(longest, swapped)), swapped


@pytest.mark.parametrize(
    "nonsense",
    [
        "xyzzy",
        "qqqq",
        "asdfghjkl",
        "birthday xyzzy",
        "xyzzy birthday",
        "dragon",
        "helicopter",
        "zzz",
        "xq",
        "20277",
        "2028",
        "birhtadyz wishess qwe",
        "生日",
        "день",
    ],
)
def test_nonsense_finds_nothing(nonsense: str) -> None:
    assert keys(nonsense) == []


@pytest.mark.parametrize(
    ("query", "not_meant"),
    [
        ("customer", "invoice"),  # its category is custom
        ("cat", "cart"),  # short words are not guessed
        ("smd", "appt"),
        ("cold", "failed"),
        ("reward", "news"),
    ],
)
def test_words_that_only_look_alike_are_not_taken_for_each_other(
    query: str, not_meant: str
) -> None:
    assert not_meant not in keys(query)


def test_a_known_word_of_few_letters_is_not_taken_for_a_typo() -> None:
    entries = [entry("a", "Lead"), entry("b", description="read what we lend")]
    assert [hit.entry.key for hit in found(entries, "lead")] == ["a"]
    assert [hit.entry.key for hit in found(entries[1:], "lead")] == ["b"]


def test_a_typo_in_somebodys_description_does_not_hide_the_right_name() -> None:
    entries = [entry("typo", description="for the brithday"), entry("right", "Birthday")]
    assert [hit.entry.key for hit in found(entries, "brithday")] == ["right", "typo"]


# The order


def test_a_name_counts_more_than_tags_category_step_types_and_description_in_turn() -> None:
    entries = [
        entry("description", description="gift"),
        entry("step_types", step_types="gift"),
        entry("category", category="gift"),
        entry("tags", tags="gift"),
        entry("name", "The gift card"),
    ]
    hits = found(entries, "gift")
    assert [hit.matched for hit in hits] == [
        "name",
        "tags",
        "category",
        "step_types",
        "description",
    ]
    assert [hit.entry.key for hit in hits] == [hit.matched for hit in hits]
    assert all(100 > hits[at].score > hits[at + 1].score > 0 for at in range(4))


def test_the_part_that_counts_most_is_told_where_several_match() -> None:
    one = entry("one", "Gift", description="gift card for friends", tags="card friends")
    assert found([one], "gift friends card")[0].matched == "tags"
    assert found([one], "gift card")[0].matched == "name"


def test_the_same_score_goes_by_use_then_by_name() -> None:
    entries = [
        entry("b", "Gift bb", used=3),
        entry("C", "gift CC", used=3),
        entry("a", "Gift aa", used=3),
        entry("much", "Gift zz", used=9),
    ]
    assert [hit.entry.key for hit in found(entries, "gift")] == ["much", "a", "b", "C"]
    assert [hit.entry.key for hit in found(entries, "gitf")] == ["much", "a", "b", "C"]
    assert [hit.entry.key for hit in found(entries, "gif")] == ["much", "a", "b", "C"]


def test_a_right_word_counts_more_than_a_beginning_and_that_more_than_a_typo() -> None:
    entries = [
        entry("typo", "The birtday", used=9),
        entry("beginning", "The birthdaygift", used=5),
        entry("form", "The birthdays", used=3),
        entry("right", "The birthday one"),
    ]
    hits = found(entries, "birthday")
    assert [hit.entry.key for hit in hits] == ["right", "form", "beginning", "typo"]


def test_a_customer_is_nothing_custom() -> None:
    assert found([entry("a", category="custom")], "customer") == []
    assert [hit.entry.key for hit in found([entry("a", "Customers")], "customer")] == ["a"]


@pytest.mark.parametrize("query", ["", " ", "?!", "--", "\n\t", "🎂", "_", "\u0301"])
def test_a_query_without_words_finds_everything_by_use_then_by_name(query: str) -> None:
    hits = search(INDEX, query, limit=100)
    assert [hit.entry for hit in hits] == sorted(LIBRARY, key=lambda one: (-one.used, one.name))
    assert {(hit.score, hit.matched) for hit in hits} == {(0.0, None)}


def test_words_that_say_nothing_are_looked_for_if_there_are_no_others() -> None:
    assert keys("the")[:1] == ["cart"]
    assert "invoice" not in keys("the")


def test_the_limit_cuts_the_list_and_nothing_else() -> None:
    assert keys("email", limit=3) == keys("email")[:3]
    assert keys("", limit=2) == ["welcome", "appt"]
    assert keys("email", limit=0) == keys("email", limit=-1) == []


def test_an_index_finds_the_same_as_the_entries() -> None:
    for query in ("brithday", "email course", "", "no show"):
        assert search(LIBRARY, query, limit=9) == search(INDEX, query, limit=9)
    assert search([], "birthday", limit=9) == search([], "", limit=9) == []


# Whatever comes in


@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=4))
def test_any_text_is_safe_and_scores_stay_within_bounds(query: str, texts: list[str]) -> None:
    entries = [*LIBRARY[:5], *(entry(text, text, description=text, tags=text) for text in texts)]
    for hit in search(entries, query, limit=50):
        assert 0 <= hit.score <= 100


@given(st.sampled_from(LIBRARY), st.data())
def test_any_words_of_a_template_find_it(one: Entry, data: st.DataObject) -> None:
    words = [*one.name.split(), *one.description.split(), *one.tags]
    query = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=4, unique=True))
    assert one.key in keys(" ".join(query))


@pytest.mark.parametrize(
    "query", ["a" * 100_000, "a-" * 50_000, "birthday " * 20_000, "'" * 99_999]
)
def test_a_query_of_any_length_is_what_its_beginning_is(query: str) -> None:
    assert search(INDEX, query, limit=50) == search(INDEX, query[:MOST_CHARACTERS], limit=50)


def test_of_a_long_query_only_the_beginning_counts() -> None:
    assert keys("birthday " + " " * MOST_CHARACTERS + "xyzzy") == keys("birthday")
