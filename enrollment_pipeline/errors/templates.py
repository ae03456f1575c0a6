"""Templates of workflows."""

from enrollment_pipeline.errors.base import InvalidRequestError, RefusedError


class TemplateNotFoundError(RefusedError):
    """There is no such template in this account."""

    code = "TEMPLATE_NOT_FOUND"
    remedy = "List the templates with: enrollment templates list"


class TemplateExistsError(RefusedError):
    """A template of that name exists."""

    code = "TEMPLATE_EXISTS"
    remedy = "Choose another name, or make a new version of it: enrollment templates update"


class TemplateLimitError(RefusedError):
    """The account has as many templates of its own as it may have."""

    code = "TEMPLATE_LIMIT"
    remedy = "Delete one with enrollment templates delete NAME, or have the limit raised."


class TemplateFixedError(RefusedError):
    """The template is not one of the account's own and cannot be changed."""

    code = "TEMPLATE_FIXED"
    remedy = "Clone it, change the clone, and save that as a template of your own."


class InvalidTemplateError(InvalidRequestError):
    """The template is not valid."""

    code = "INVALID_TEMPLATE"
    remedy = "Correct the workflow that it was made from, and save it again."
