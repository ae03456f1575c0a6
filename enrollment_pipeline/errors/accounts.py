"""Accounts, their members, and what these may do."""

from enrollment_pipeline.errors.base import RefusedError


class ForbiddenError(RefusedError):
    """Whoever asks may not do this in this account."""

    code = "FORBIDDEN"
    remedy = "Ask an administrator of the account for the permission."


class MemberNotFoundError(RefusedError):
    """The account has no such member."""

    code = "MEMBER_NOT_FOUND"
    remedy = "List the members with: enrollment members list"


class ChannelNotFoundError(RefusedError):
    """The account has no such notification channel."""

    code = "CHANNEL_NOT_FOUND"
    remedy = "List the channels with: enrollment notifications list"


class AccountNotFoundError(RefusedError):
    """There is no such account."""

    code = "ACCOUNT_NOT_FOUND"
    remedy = "Create it with: enrollment accounts create NAME"


class AccountExistsError(RefusedError):
    """An account of that name exists."""

    code = "ACCOUNT_EXISTS"
    remedy = "Choose another name, or use the existing account with --account NAME."


class NotASubAccountError(RefusedError):
    """The account is not a sub-account of this one."""

    code = "NOT_A_SUB_ACCOUNT"
    remedy = "A template is shared by an agency with its own sub-accounts: see docs/accounts.md."
