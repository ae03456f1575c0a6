"""Making templates of workflows, changing and deleting them: sanitised, valid, within the limit.

Belongs here: the account's own templates. Does not belong here: what is personal (`sanitising`),
and what becomes of clones when a template changes (`versions`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from enrollment_pipeline.accounts.members import list_members
from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.accounts.store import is_agency
from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidTemplateError,
    TemplateExistsError,
    TemplateFixedError,
    TemplateLimitError,
    TemplateNotFoundError,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.documents import (
    CUSTOM,
    Origin,
    Template,
    canonical,
    category_of,
    description_of,
    tags_of,
    template_problems,
    workflow_part,
)
from enrollment_pipeline.templates.finding import document_in, find_in, is_shipped_name
from enrollment_pipeline.templates.name_texts import People
from enrollment_pipeline.templates.notices import tell_all_who_see
from enrollment_pipeline.templates.personal import found_in
from enrollment_pipeline.templates.placeholding import Replacement
from enrollment_pipeline.templates.sanitising import sanitise
from enrollment_pipeline.templates.store import library, usage
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.request import WorkflowName
from enrollment_pipeline.workflows.service import refuse

# Words in a row that may be a name, and from how many on they are asked about.
_LONGEST_NAME = 5
_ASKED_AT_ONCE = 50_000
_word = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is said about a template beside its content; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    category: str | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A template that was saved, its document, and what was replaced in that."""

    template: Template
    document: dict[str, Any]
    replaced: tuple[Replacement, ...]


def save(
    database: Database, account: Account, workflow: str, wanted: Wanted, *, actor: str
) -> Saved:
    """Make a template of a workflow, without anything personal in it.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidRequestError: name, description, category or a tag cannot be used.
        InvalidTemplateError: the workflow is not complete; every problem names its step.
        TemplateExistsError: the account or the product has a template of that name.
        TemplateLimitError: the account has as many as it may have.
        WorkflowNotFoundError: the account has no such workflow.
    """
    found = workflows.show(database, account, workflow)
    name = _name(found.workflow.name if wanted.name is None else wanted.name)
    people = _members(database, account)
    with _operation(database, account, actor, "template.save", name) as doing:
        document, replaced = _clean(doing.connection, found.document, people)
        document["name"] = name
        tags = tags_of(wanted.tags or ())
        _refuse_personal(doing.connection, [name, *tags], people)
        refuse(template_problems(document), name, InvalidTemplateError, "The template")
        library.lock_new(doing.connection)
        _check_limit(doing.connection, account)
        if is_shipped_name(name):
            raise TemplateExistsError(f"A shipped template is called {name!r}.")
        values = library.values_of(
            name,
            description_of(document.get("description", ""))
            if wanted.description is None
            else _clean_text(doing.connection, wanted.description, people),
            category_of(CUSTOM if wanted.category is None else wanted.category),
            tags,
            document,
        )
        template_id = library.add(
            doing.connection,
            account.id,
            {**values, "source_workflow_id": found.stored.id},
            actor=actor,
        )
        if template_id is None:
            raise TemplateExistsError(f"The account has a template {name!r} already.")
        library.add_version(doing.connection, account.id, template_id, 1, document, actor=actor)
        doing.subject = str(template_id)
        doing.details = {"name": name, "workflow": found.workflow.name, "replaced": len(replaced)}
        return Saved(own_in(doing.connection, account, str(template_id)), document, replaced)


def update(
    database: Database,
    account: Account,
    reference: str,
    wanted: Wanted,
    *,
    workflow: str | None = None,
    document: object = None,
    note: str = "",
    actor: str,
) -> Saved:
    """Change one of the account's own templates; a new content makes a new version.

    The content comes from a workflow or a document; with neither it stays as it is. Whoever has
    clones is told of a new version.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidRequestError: something that is said about it cannot be used.
        InvalidTemplateError: the content is not valid; every problem is listed.
        TemplateExistsError: the account or the product has another template of that name.
        TemplateFixedError: it is shipped, or shared by the agency.
        TemplateNotFoundError: the account sees no such template.
        WorkflowNotFoundError: the account has no such workflow.
    """
    given: object = document
    if workflow is not None:
        given = workflows.show(database, account, workflow).document
    if given is not None and not isinstance(given, Mapping):
        raise InvalidTemplateError("The content of a template is an object.")
    people = _members(database, account)
    with _operation(database, account, actor, "template.update", reference) as doing:
        library.lock_new(doing.connection)
        template = own_in(doing.connection, account, reference, lock=True)
        present = document_in(doing.connection, template)
        values = _values(doing.connection, account, template, wanted, people)
        replaced: tuple[Replacement, ...] = ()
        after = present
        if given is not None:
            after, replaced = _clean(doing.connection, given, people)
        after["name"] = values["name"]
        refuse(template_problems(after), values["name"], InvalidTemplateError, "The template")
        newer = {**canonical(after), "name": ""} != {**canonical(present), "name": ""}
        if newer:
            values |= {
                "version": template.version + 1,
                "step_types": library.values_of("", "", "", (), after)["step_types"],
            }
            library.add_version(
                doing.connection,
                account.id,
                template.id,
                template.version + 1,
                after,
                note=description_of(note),
                actor=actor,
            )
        library.change(doing.connection, template.id, values)
        doing.subject = str(template.id)
        doing.details = {"name": values["name"], "version": template.version + newer}
        saved = Saved(own_in(doing.connection, account, str(template.id)), after, replaced)
    if newer:
        tell_all_who_see(database, account, template.id)
    return saved


def delete(database: Database, account: Account, reference: str, *, actor: str) -> Template:
    """Delete one of the account's own templates; its clones live on.

    Raises:
        ForbiddenError: whoever asks may not.
        TemplateFixedError: it is shipped, or shared by the agency.
        TemplateNotFoundError: the account sees no such template.
    """
    with _operation(database, account, actor, "template.delete", reference) as doing:
        template = own_in(doing.connection, account, reference, lock=True)
        library.delete(doing.connection, template.id)
        doing.subject = str(template.id)
        doing.details = {"name": template.name, "version": template.version}
        return template


def own_in(
    connection: Connection, account: Account, reference: str, *, lock: bool = False
) -> Template:
    """Return one of the account's own templates; with `lock`, nobody else changes it meanwhile.

    Raises:
        TemplateFixedError: it is shipped, or shared by the agency.
        TemplateNotFoundError: the account sees no such template.
    """
    found: Template | None = find_in(connection, account, reference)
    if found is not None and found.origin is not Origin.CUSTOM:
        whose = "shipped" if found.origin is Origin.SYSTEM else "shared by the agency"
        raise TemplateFixedError(f"The template {found.name!r} is {whose}.")
    if lock and found is not None:
        found = library.with_id(connection, account.id, found.id, lock=True)
    if found is None:
        raise TemplateNotFoundError(f"There is no template {reference[:200]!r} in this account.")
    return found


def _values(
    connection: Connection,
    account: Account,
    template: Template,
    wanted: Wanted,
    people: Sequence[str],
) -> dict[str, Any]:
    name = template.name if wanted.name is None else _name(wanted.name)
    tags = template.tags if wanted.tags is None else tags_of(wanted.tags)
    _refuse_personal(connection, [name, *tags], people)
    if name != template.name and (
        is_shipped_name(name) or not library.name_is_free(connection, account.id, name, template.id)
    ):
        raise TemplateExistsError(f"There is a template {name!r} already.")
    return {
        "name": name,
        "description": template.description
        if wanted.description is None
        else _clean_text(connection, wanted.description, people),
        "category": template.category if wanted.category is None else category_of(wanted.category),
        "tags": list(tags),
    }


def _check_limit(connection: Connection, account: Account) -> None:
    most = account.settings.max_templates
    if most is None or is_agency(connection, account.id):
        return
    if library.count_own(connection, account.id) >= most:
        raise TemplateLimitError(
            f"The account has {most:,} templates of its own, which is its limit."
        )


def _clean(
    connection: Connection, document: Mapping[str, Any], people: Sequence[str]
) -> tuple[dict[str, Any], tuple[Replacement, ...]]:
    part = workflow_part(document)
    part.pop("name", None)
    known = [*people, *_known_names(connection, part)]
    cleaned = sanitise(part, people=known)
    return workflow_part(cleaned.document), cleaned.replaced


def _clean_text(connection: Connection, text: str, people: Sequence[str]) -> str:
    """Return a description without anything personal in it; what is left out becomes dots."""
    cleaned, replaced = _clean(connection, {"description": description_of(text)}, people)
    description = str(cleaned.get("description", ""))
    for one in replaced:
        description = description.replace(one.placeholder, "...")
    return description


def _refuse_personal(connection: Connection, texts: Sequence[str], people: Sequence[str]) -> None:
    """Do nothing for texts that hold nothing personal; a name or a tag cannot be cleaned."""
    known = People.of([*people, *_known_names(connection, list(texts))])
    for text in texts:
        if found_in(text, known):
            raise InvalidRequestError(
                f"{text[:60]!r} holds what looks like a person's data, and templates are shared.",
                remedy="Choose another name or tag; a name is given by --name.",
            )


def _words(document: object) -> Iterator[list[str]]:
    """Yield the words of all texts in lower case, alone and several in a row, in portions."""
    found: set[str] = set()
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            words = _word.findall(one.lower())
            for length in range(1, _LONGEST_NAME + 1):
                found.update(
                    " ".join(words[at : at + length]) for at in range(len(words) - length + 1)
                )
        elif isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
        if len(found) >= _ASKED_AT_ONCE:
            yield list(found)
            found = set()
    yield list(found)


def _known_names(connection: Connection, document: object) -> list[str]:
    return [name for words in _words(document) for name in usage.known_names(connection, words)]


def _members(database: Database, account: Account) -> list[str]:
    return [member.name for member in list_members(database, account)]


def _name(given: str) -> str:
    try:
        return TypeAdapter(WorkflowName).validate_python(given)
    except ValidationError as error:
        told = error.errors()[0]["msg"].removeprefix("Value error, ")
    raise InvalidRequestError(f"{given[:60]!r} cannot name a template: {told}.")


def _operation(
    database: Database, account: Account, actor: str, action: str, subject: str
) -> AbstractContextManager[Operation]:
    return operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_MANAGE,
        subject=subject,
    )
