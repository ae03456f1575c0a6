"""Sharing templates: an agency with its own sub-accounts, which may use them and not change them.

Row-level security demands the same; what is here says so in words.
"""

from collections.abc import Sequence

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.errors import NotASubAccountError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.saving import own_in
from enrollment_pipeline.templates.store import sharing


def share(
    database: Database, account: Account, reference: str, names: Sequence[str], *, actor: str
) -> list[str]:
    """Share a template with sub-accounts; return the names of all that it is shared with now.

    Raises:
        ForbiddenError: whoever asks may not.
        NotASubAccountError: one of them is none of this account; nothing was shared.
        TemplateFixedError: the template is not the account's own.
        TemplateNotFoundError: the account sees no such template.
    """
    return _change(database, account, reference, names, actor, shared=True)


def unshare(
    database: Database, account: Account, reference: str, names: Sequence[str], *, actor: str
) -> list[str]:
    """Share a template with these no longer; what they have cloned stays theirs.

    Raises:
        ForbiddenError: whoever asks may not.
        NotASubAccountError: one of them is none of this account; nothing was changed.
        TemplateFixedError: the template is not the account's own.
        TemplateNotFoundError: the account sees no such template.
    """
    return _change(database, account, reference, names, actor, shared=False)


def _change(
    database: Database,
    account: Account,
    reference: str,
    names: Sequence[str],
    actor: str,
    *,
    shared: bool,
) -> list[str]:
    with operation(
        database,
        account.id,
        actor=actor,
        action="template.share" if shared else "template.unshare",
        needs=Permission.WORKFLOW_MANAGE,
        subject=reference,
    ) as doing:
        template = own_in(doing.connection, account, reference, lock=True)
        family = sharing.sub_accounts(doing.connection)
        by_name = {name.casefold(): one for one, name in family.items()}
        unknown = [name for name in names if name.strip().casefold() not in by_name]
        if unknown:
            raise NotASubAccountError(
                f"{unknown[0][:100]!r} is not a sub-account of {account.name!r}."
            )
        changed = False
        for name in names:
            other = by_name[name.strip().casefold()]
            if shared:
                changed |= sharing.share(
                    doing.connection, account.id, template.id, other, actor=actor
                )
            else:
                changed |= sharing.unshare(doing.connection, template.id, other)
        doing.silent = not changed
        doing.subject = str(template.id)
        doing.details = {"name": template.name, "accounts": list(names)}
        present = sharing.shared_with(doing.connection, template.id)
        return sorted(family[one] for one in present if one in family)
