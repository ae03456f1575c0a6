"""What the library of templates is used for, over all accounts, as an asset that the UI plots."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.service import CATEGORIES, Origin, Template
from enrollment_pipeline.workflows import service as workflows

GROUP = "templates"
_TOP = 10


@dg.asset(
    group_name=GROUP,
    kinds={"postgres"},
    description="How often templates were used and how many contacts completed what was made of "
    "them, by category, account and template; and how many clones a newer version waits for.",
)
def template_library(product: dg.ResourceParam[Product]) -> dg.MaterializeResult[None]:
    """Add up the library; of each account the same few questions are asked."""
    totals = _Totals()
    with explained(), product.database() as database:
        for entry in accounts.list_accounts(database):
            _add(totals, database, accounts.find(database, entry.name))
    return dg.MaterializeResult(metadata=totals.metadata())


count_templates = dg.define_asset_job(
    "count_templates",
    selection=dg.AssetSelection.assets("template_library"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    description="Adds up what the library of templates is used for.",
)

daily_template_library = dg.ScheduleDefinition(
    name="daily_template_library",
    job=count_templates,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Adds up the library of templates once a day.",
)


@dataclass(slots=True)
class _Totals:
    """What has been added up so far.

    A use counts with the template's owner, who sees those by sub-accounts too: were it counted with
    everybody who sees the template, it would count twice.
    """

    templates: dict[UUID, Template] = field(default_factory=dict)
    owners: dict[UUID, str] = field(default_factory=dict)
    used: Counter[UUID] = field(default_factory=Counter)
    shared: set[UUID] = field(default_factory=set)
    rates: dict[str, "_Rate"] = field(
        default_factory=lambda: {category: _Rate() for category in CATEGORIES}
    )
    accounts: list[dict[str, Any]] = field(default_factory=list)

    def metadata(self) -> dict[str, dg.MetadataValue | int | float]:
        """Return numbers and tables."""
        overall = _Rate()
        for rate in self.rates.values():
            overall.add(rate.clones, rate.value)
        used = self._used_by_category()
        known = {"completion_rate": overall.value} | {
            f"completion_rate_{category}": rate.value for category, rate in self.rates.items()
        }
        origins = Counter(one.origin for one in self.templates.values())
        return {
            "used": self.used.total(),
            **{f"used_{category}": used[category] for category in CATEGORIES},
            **{name: value for name, value in known.items() if value is not None},
            "templates_system": origins[Origin.SYSTEM],
            "templates_custom": origins[Origin.CUSTOM],
            "templates_shared": len(self.shared),
            "updates": sum(row["updates"] for row in self.accounts),
            "categories": _table(_CATEGORY, self._categories(used)),
            "accounts": _table(_ACCOUNT, self.accounts),
            "top_templates": _table(_TEMPLATE, self._top()),
        }

    def _used_by_category(self) -> Counter[str]:
        used: Counter[str] = Counter()
        for template_id, number in self.used.items():
            used[self.templates[template_id].category] += number
        return used

    def _categories(self, used: Counter[str]) -> list[dict[str, Any]]:
        numbers = Counter(one.category for one in self.templates.values())
        return [
            {
                "category": category,
                "templates": numbers[category],
                "used": used[category],
                "clones_with_rate": self.rates[category].clones,
                "completion_rate": self.rates[category].value,
            }
            for category in CATEGORIES
        ]

    def _top(self) -> list[dict[str, Any]]:
        found = sorted(
            (one for one in self.templates.values() if self.used[one.id]),
            key=lambda one: (-self.used[one.id], one.name.casefold(), str(one.id)),
        )
        return [
            {
                "template": one.name,
                "category": one.category,
                "origin": one.origin.value,
                "account": self.owners.get(one.id, ""),
                "used": self.used[one.id],
            }
            for one in found[:_TOP]
        ]


@dataclass(slots=True)
class _Rate:
    """The average completion rate over clones, None of none."""

    clones: int = 0
    sum: float = 0.0

    def add(self, clones: int, rate: float | None) -> None:
        """Take in the average over so many more."""
        self.clones += clones
        self.sum += clones * (rate or 0.0)

    @property
    def value(self) -> float | None:
        """The average, rounded to four places."""
        return round(self.sum / self.clones, 4) if self.clones else None


def _add(totals: _Totals, database: Database, account: Account) -> None:
    """Add an account."""
    seen = templates.list_templates(database, account)
    mine = _Rate()
    for found in templates.statistics(database, account):
        for rate in (mine, totals.rates[found["category"]]):
            rate.add(found["clones_with_rate"], found["completion_rate"])
    with database.account(account.id) as connection:
        lineages = [one.lineage for one in workflows.clones(connection)]
    newest = {one.id: one.version for one in seen}
    own = [one for one in seen if one.origin is Origin.CUSTOM]
    shared = [one for one in seen if one.origin is Origin.SHARED]
    for one in seen:
        if one.origin is not Origin.SHARED:
            totals.templates[one.id] = one
            totals.used[one.id] += one.used
    totals.owners |= {one.id: account.name for one in own}
    totals.shared |= {one.id for one in shared}
    totals.accounts.append(
        {
            "account": account.name,
            "templates": len(own),
            "shared_with_it": len(shared),
            "clones": len(lineages),
            "updates": sum(
                one is not None and one.version < newest.get(one.template_id, 0) for one in lineages
            ),
            "completion_rate": mine.value,
        }
    )


_CATEGORY = {
    "category": "string",
    "templates": "int",
    "used": "int",
    "clones_with_rate": "int",
    "completion_rate": "float",
}
_ACCOUNT = {
    "account": "string",
    "templates": "int",
    "shared_with_it": "int",
    "clones": "int",
    "updates": "int",
    "completion_rate": "float",
}
_TEMPLATE = {
    "template": "string",
    "category": "string",
    "origin": "string",
    "account": "string",
    "used": "int",
}


def _table(columns: dict[str, str], rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], schema=schema)
