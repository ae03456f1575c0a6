"""Who may do what in an account; pure rules.

An account without members is open: whoever reaches the database may do everything, which is what a
laptop wants. From the first member on, only members may, each what its permissions say.
"""

from collections.abc import Mapping

from enrollment_pipeline.errors import ForbiddenError, InvalidRequestError
from enrollment_pipeline.records import Permission


def name_key(name: str) -> str:
    """Return what two names share that differ in letter case alone: they are one person's."""
    return name.strip().casefold()


def require(members: Mapping[str, frozenset[str]], actor: str, needed: Permission) -> None:
    """Do nothing where the actor may do what needs this permission.

    `members` maps names, by `name_key`, to permissions. `account:admin` includes all others.

    Raises:
        ForbiddenError: the actor is no member, or lacks the permission; the message names it.
    """
    if not members:
        return
    held = members.get(name_key(actor))
    if held is None:
        raise ForbiddenError(
            f"{actor!r} is not a member of this account, and this needs the permission {needed}.",
            details={"permission": str(needed)},
        )
    if needed not in held and Permission.ACCOUNT_ADMIN not in held:
        raise ForbiddenError(
            f"{actor!r} lacks the permission {needed}.", details={"permission": str(needed)}
        )


def require_administrator(members: Mapping[str, frozenset[str]]) -> None:
    """Do nothing where somebody can change the members again, or where there are none.

    Raises:
        InvalidRequestError: there are members, and none of them holds `account:admin`.
    """
    if members and not any(Permission.ACCOUNT_ADMIN in held for held in members.values()):
        raise InvalidRequestError(
            f"No member would hold {Permission.ACCOUNT_ADMIN}, and without one nobody could change "
            "the members or the settings of the account again.",
            remedy=f"Begin with a member that holds {Permission.ACCOUNT_ADMIN}, and remove the "
            "last of them after all others.",
        )
