"""The library of templates: finding one, using one, and making one of a workflow."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, product

from sqlalchemy import insert, text

from benchmarks.ground import Ground
from enrollment_pipeline.storage import schema
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.finding import list_templates
from enrollment_pipeline.templates.service import CATEGORIES, Wanted
from enrollment_pipeline.templates.store import library
from enrollment_pipeline.workflows import service as workflows

TEMPLATES = 500
QUERIES = 200
CLONES = 50
STEPS = 50
SAVED_STEPS = 100
SAVES = 20
CONTACTS = 10_000

_TRADES = (
    *(
        "Dental practice",
        "Yoga studio",
        "Law firm",
        "Garage",
        "Hair salon",
        "Bakery",
        "Estate agent",
    ),
    *("Physiotherapy", "Driving school", "Gym", "Accountant", "Veterinary clinic", "Florist"),
    *("Language school", "Solar installer", "Photographer", "Wine shop", "Hotel", "Optician"),
)
_PURPOSES = (
    ("new lead welcome", "lead_nurturing", ("leads", "welcome"), "answers new enquiries at once"),
    ("quote follow-up", "lead_nurturing", ("sales", "offer"), "asks whether a quote was read"),
    ("appointment reminder", "appointment_reminder", ("calendar", "sms"), "reminds a day before"),
    ("no-show rescue", "appointment_reminder", ("calendar", "missed"), "offers another time"),
    ("first steps", "onboarding", ("guide", "client"), "shows new customers what comes next"),
    ("win-back", "re_engagement", ("quiet", "offer"), "writes to whom nobody has seen for a while"),
    ("membership renewal", "re_engagement", ("subscription",), "comes before a contract ends"),
    ("review request", "review_request", ("reviews", "stars"), "asks for a public review"),
    (
        "birthday greeting",
        "birthday_celebration",
        ("birthday", "yearly"),
        "sends wishes and a gift",
    ),
    ("unpaid invoice", "custom", ("payment", "billing"), "reminds politely of what is due"),
    ("referral thanks", "custom", ("referral", "loyalty"), "thanks who has brought a friend"),
    ("seasonal newsletter", "custom", ("news", "season"), "tells what is new each season"),
)
_WAYS = ("", " by SMS", " in three e-mails")

# The usual way to search: each query as one pattern over all that can be read.
_ILIKE = text(
    "select id, name from enrollment.templates where deleted_at is null and "
    "(name ilike :pattern or description ilike :pattern or category ilike :pattern "
    "or array_to_string(tags, ' ') ilike :pattern "
    "or array_to_string(step_types, ' ') ilike :pattern) order by name limit 20"
)


@dataclass(frozen=True)
class Measured:
    """The 95th percentile in seconds, of the product and of its yardstick."""

    figure: float
    yardstick: float


def seed(ground: Ground) -> None:
    """Make 500 templates with the shipped ones; contacts with names, and e-mail."""
    ground.fill(CONTACTS)
    account, database = ground.account, ground.database
    link = "https://example.com/page"
    email = {"from_name": "Bench", "unsubscribe_link": link}
    workflows.connect(database, account, "email", email, actor="benchmark")
    shipped = len(list_templates(database, account))
    wanted = islice(product(_WAYS, _PURPOSES, _TRADES), TEMPLATES - shipped)
    with database.account(account.id) as connection:
        for way, (purpose, category, tags, says), trade in wanted:
            document = _document(f"{trade}: {purpose}{way}", 10)
            values = library.values_of(
                document["name"],
                f"For a {trade.lower()}, which adapts the texts first. It {says}{way}, waits some "
                "days for an answer, writes once more, and leaves a task for the team at the end.",
                category,
                [*tags, trade.split()[0].lower()],
                document,
            )
            made = library.add(connection, account.id, values, actor="benchmark")
            assert made is not None
            library.add_version(connection, account.id, made, 1, document, actor="benchmark")
    assert len(list_templates(database, account)) == TEMPLATES
    with ground.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze enrollment.templates"))
    ground.tidy()


def searching(ground: Ground) -> Measured:
    """Search with queries of all kinds, from the database to the ranked answer."""
    asked = _queries()
    mine = [
        _timed(partial(templates.search, ground.database, ground.account, one)) for one in asked
    ]

    def ilike(query: str) -> None:
        with ground.database.account(ground.account.id) as connection:
            connection.execute(_ILIKE, {"pattern": f"%{query}%"}).all()

    return Measured(_p95(mine), _p95([_timed(partial(ilike, one)) for one in asked]))


def cloning(ground: Ground) -> Measured:
    """Clone a template of 50 steps, each time under the next free name."""
    document = _document("Fifty steps", STEPS)
    workflows.create_from(ground.database, ground.account, document, actor="benchmark")
    saved = templates.save(
        ground.database, ground.account, "Fifty steps", Wanted(), actor="benchmark"
    )
    reference = str(saved.template.id)
    mine = [
        _timed(
            partial(templates.clone, ground.database, ground.account, reference, actor="benchmark")
        )
        for _ in range(CLONES)
    ]
    bare = [
        _timed(partial(_insert, ground, f"Bare {number}", saved.document))
        for number in range(CLONES)
    ]
    return Measured(_p95(mine), _p95(bare))


def saving(ground: Ground) -> Measured:
    """Make templates of a workflow of 100 steps, whose texts hold names, numbers and links."""
    document = _document("A hundred steps", SAVED_STEPS, personal=True)
    workflows.create_from(ground.database, ground.account, document, actor="benchmark")
    mine, bare = [], []
    for number in range(SAVES):
        wanted = Wanted(name=f"Saved {number}")
        mine.append(
            _timed(
                partial(
                    templates.save,
                    *(ground.database, ground.account, "A hundred steps", wanted),
                    actor="benchmark",
                )
            )
        )
        bare.append(_timed(partial(_insert, ground, f"Bare hundred {number}", document)))
    return Measured(_p95(mine), _p95(bare))


def _insert(ground: Ground, name: str, document: dict[str, object]) -> None:
    with ground.database.account(ground.account.id) as connection:
        connection.execute(
            insert(schema.workflows).values(
                account_id=ground.account.id, name=name, status="draft", config=document
            )
        )


def _queries() -> list[str]:
    """Return queries: whole names, words, beginnings, tags, categories, mistyped, in vain."""
    dice = random.Random(7)
    names = [
        f"{trade} {purpose}{way}"
        for way, (purpose, *_), trade in product(_WAYS, _PURPOSES, _TRADES)
    ]
    dice.shuffle(names)
    words = [word for name in names for word in name.split() if len(word) > 4]
    kinds: list[Callable[[str], str]] = [
        lambda name: name,
        lambda name: _mistyped(name, dice),
        lambda name: " ".join(_mistyped(word, dice) for word in name.split()[:2]),
        lambda _: dice.choice(words),
        lambda _: _mistyped(dice.choice(words), dice),
        lambda name: name[: dice.randint(3, 9)],
        lambda _: dice.choice(CATEGORIES).replace("_", " "),
        lambda _: dice.choice(["send_sms wait", "create task", "webhook", "sms"]),
        lambda name: f"{name.split()[0]} for the team who waits some days",
        lambda _: dice.choice(["zzyzx quux", "", "tax return 1040", "!!!"]),
    ]
    return [kind(name) for kind, name in islice(zip(cycle(kinds), names, strict=False), QUERIES)]


def _mistyped(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 1) if len(word) > 3 else 0
    return dice.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at : at + 1] * 2 + word[at + 1 :],
            word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            word[:at] + dice.choice("aeiourst") + word[at + 1 :],
        ]
    )


_TEXT = (
    'Hello {{contact.first_name | default("there")}},\n\nThank you for getting in touch with '
    "{{account.name}}. Over the next two weeks we will send you three more short e-mails. They are "
    "meant to help you find out what you need and whether we are the right people for it. If we "
    "are not, that is worth knowing, too.\n\nTo begin with, one question: what made you look "
    "around just now? Reply with a sentence or two, and we will know where to start.\n\n"
    "Kind regards\n{{email.from_name}}\n\n"
    "You no longer want these e-mails? {{email.unsubscribe_link}}"
)
_PERSONAL = (
    "\n\nWrite to jane.doe{n}@example.com or call +44 20 7946 0{n:03}, ask for First{n}, or look "
    "at https://shop.example.com/offer/{n}?utm_source=mail."
)


def _document(name: str, steps: int, *, personal: bool = False) -> dict[str, object]:
    """Return a valid document of e-mails, waits, forks, tags and tasks in turn."""
    found: list[dict[str, object]] = []
    for number in range(1, steps):
        extra = _PERSONAL.format(n=number) if personal else ""
        kinds: list[dict[str, object]] = [
            {"type": "send_email", "subject": f"Part {number} of it", "body": _TEXT + extra},
            {"type": "wait", "duration": "3 days"},
            {"type": "add_tag", "tag": f"part-{number}"},
            {
                "type": "condition",
                "condition": {
                    "conditions": [{"field": "tags", "operator": "contains", "value": "customer"}]
                },
                "then": f"step_{steps}",
            },
            {"type": "create_task", "title": f"Call about part {number}", "due": "2 days"},
        ]
        found.append({"id": f"step_{number}", **kinds[(number - 1) % len(kinds)]})
    found.append({"id": f"step_{steps}", "type": "end"})
    return {
        "schema": 1,
        "name": name,
        "description": "Writes, waits, asks, and leaves tasks.",
        "integrations": ["email"],
        "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
        "steps": found,
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95) - 1]
