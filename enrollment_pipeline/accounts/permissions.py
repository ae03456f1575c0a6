"""Who may do what in an account; pure rules.

An account without members is open: whoever reaches the database may do everything, which is what a
laptop wants. From the first member on, only members may, each what its permissions say.
"""

from collections.abc import Mapping

from enrollment_pipeline.errors import ForbiddenError
from enrollment_pipeline.records import Permission


def require(members: Mapping[str, frozenset[str]], actor: str, needed: Permission) -> None:
    """Do nothing where the actor may do what needs this permission.

    `members` maps names in lower case to permissions. `account:admin` includes all others.

    Raises:
        ForbiddenError: the actor is no member, or lacks the permission; the message names it.
    """
    if not members:
        return
    held = members.get(actor.lower())
    if held is None:
        raise ForbiddenError(
            f"{actor!r} is not a member of this account, and this needs the permission {needed}.",
            details={"permission": str(needed)},
        )
    if needed not in held and Permission.ACCOUNT_ADMIN not in held:
        raise ForbiddenError(
            f"{actor!r} lacks the permission {needed}.", details={"permission": str(needed)}
        )
