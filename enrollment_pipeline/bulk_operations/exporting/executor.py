"""Export as a type of operation: all of it is one piece, which begins anew where it was cut off."""

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import (
    AgainError,
    Executor,
    Prepared,
    Step,
    Surroundings,
)
from enrollment_pipeline.bulk_operations.exporting import destinations
from enrollment_pipeline.bulk_operations.exporting.contacts import export_contacts
from enrollment_pipeline.bulk_operations.exporting.fields import DEFAULT_FIELDS
from enrollment_pipeline.bulk_operations.exporting.writing import StoppedError
from enrollment_pipeline.bulk_operations.report import folder_of
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord

_DONE = 1


class ExportContacts(Executor):
    """The executor of exports."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Prepare nothing: how many contacts there are is known when they are written."""
        return Prepared(0)

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Write all contacts, and bring the file to where exports go."""
        if operation.mark >= _DONE:
            return Step(operation.mark, {}, done=True)
        request = operation.request
        folder = folder_of(around.settings, operation.account_id, operation.id)
        try:
            found = export_contacts(
                connection,
                operation.account_id,
                condition=request["filter"],
                fields=tuple(request["fields"]) or DEFAULT_FIELDS,
                format=request["format"],
                folder=folder,
                now=around.now,
                stop=around.stop,
            )
        except StoppedError:
            raise AgainError from None
        files = destinations.publish(
            found.files,
            url=around.settings.exports_url,
            account_id=operation.account_id,
            operation_id=operation.id,
            folder=folder,
        )
        return Step(
            _DONE,
            {RowOutcome.EXPORTED: found.rows},
            done=True,
            files=files,
            total=found.rows,
            notes=found.notes,
        )

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Give up nothing: an export has no single rows that could be refused."""
        raise NotImplementedError(reason)
