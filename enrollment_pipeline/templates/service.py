"""Templates as the rest of the product asks for them.

Belongs here: nothing but the names. Finding templates is in `finding`, using them in `cloning`,
making them in `saving`, sharing in `sharing`, versions and updates in `versions`, their use in
`statistics`.
"""

from enrollment_pipeline.templates.changes import Change, Update
from enrollment_pipeline.templates.cloning import clone
from enrollment_pipeline.templates.documents import CATEGORIES, Origin, Template
from enrollment_pipeline.templates.finding import (
    Preview,
    categories,
    list_templates,
    preview,
    search,
)
from enrollment_pipeline.templates.notices import tell_updates
from enrollment_pipeline.templates.saving import Saved, Wanted, delete, save, update
from enrollment_pipeline.templates.sharing import share, unshare
from enrollment_pipeline.templates.statistics import statistics, usage_of
from enrollment_pipeline.templates.versions import (
    Offer,
    compare,
    history,
    merge,
    offer,
    offers,
    update_of,
)

__all__ = [
    "CATEGORIES",
    "Change",
    "Offer",
    "Origin",
    "Preview",
    "Saved",
    "Template",
    "Update",
    "Wanted",
    "categories",
    "clone",
    "compare",
    "delete",
    "history",
    "list_templates",
    "merge",
    "offer",
    "offers",
    "preview",
    "save",
    "search",
    "share",
    "statistics",
    "tell_updates",
    "unshare",
    "update",
    "update_of",
    "usage_of",
]
