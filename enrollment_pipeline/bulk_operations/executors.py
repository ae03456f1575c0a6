"""Which executor does the work of which type of operation, and who may ask for it."""

from uuid import UUID

from enrollment_pipeline.bulk_operations.deleting import DeleteContacts
from enrollment_pipeline.bulk_operations.execution import Executor
from enrollment_pipeline.bulk_operations.exporting.executor import ExportContacts
from enrollment_pipeline.bulk_operations.importing import ImportContacts
from enrollment_pipeline.bulk_operations.request import (
    OperationRequest,
    OperationType,
    RollbackRequest,
)
from enrollment_pipeline.bulk_operations.reversing import ReverseOperation
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.updating import UpdateContacts
from enrollment_pipeline.bulk_operations.withdrawing import WithdrawEnrollments
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database

_EXECUTORS: dict[OperationType, type[Executor]] = {
    OperationType.IMPORT: ImportContacts,
    OperationType.EXPORT: ExportContacts,
    OperationType.UPDATE: UpdateContacts,
    OperationType.DELETE: DeleteContacts,
    OperationType.ROLLBACK: ReverseOperation,
    OperationType.WITHDRAWAL: WithdrawEnrollments,
}

NEEDS: dict[OperationType, Permission] = {
    OperationType.IMPORT: Permission.CONTACTS_MANAGE,
    OperationType.EXPORT: Permission.CONTACTS_EXPORT,
    OperationType.UPDATE: Permission.CONTACTS_MANAGE,
    OperationType.DELETE: Permission.CONTACTS_DELETE,
    OperationType.WITHDRAWAL: Permission.WORKFLOW_MANAGE,
}
"""What who asks for an operation must hold; a rollback needs what the original did."""


def executor_of(operation_type: OperationType) -> Executor:
    """Return the executor of a type."""
    return _EXECUTORS[operation_type]()


def needed_for(database: Database, account: Account, request: OperationRequest) -> Permission:
    """Return what who asks for an operation must hold; for a rollback, what the original needed.

    Raises:
        OperationNotFoundError: what is to be taken back is no operation of the account.
    """
    if isinstance(request, RollbackRequest):
        return needed_to_handle(database, account, request.operation_id)
    return NEEDS[OperationType(request.type)]


def needed_to_handle(database: Database, account: Account, operation_id: UUID) -> Permission:
    """Return what who takes hold of an operation must hold.

    Raises:
        OperationNotFoundError: the account has no such operation.
    """
    with database.account(account.id) as connection:
        operation = operations.load(connection, operation_id)
        while operation.reverses_id is not None:
            operation = operations.load(connection, operation.reverses_id)
    return NEEDS[operation.type]
