"""An account with an outbox, and the servers that its messages go to, all real and on loopback."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from pydantic import SecretStr
from sqlalchemy import Engine, text

from enrollment_pipeline.notifications import delivery, service
from enrollment_pipeline.notifications.delivery import DeliveryCounts
from enrollment_pipeline.notifications.message import (
    Event,
    JobPayload,
    Notice,
    OperationPayload,
    Recipients,
)
from enrollment_pipeline.records import Account, Outcome
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


def payload_of(job_id: UUID, **changes: Any) -> JobPayload:
    """What is told of a job of 1,000 rows."""
    counts = dict.fromkeys(map(str, Outcome), 0) | {"enrolled": 780, "failed": 20, "skipped": 200}
    made: Any = {
        "job_id": str(job_id),
        "workflow_name": "Welcome",
        "status": "completed_with_errors",
        "outcomes": counts,
        "input_rows": 1000,
        "duration_seconds": 5.2,
        "reason": None,
        "requested_by": "ann",
        "links": {"ui": "http://127.0.0.1:3000/runs", "report": None},
        **changes,
    }
    return made


def operation_payload_of(operation_id: UUID, **changes: Any) -> OperationPayload:
    """What is told of an import of 1,234 rows."""
    made: Any = {
        "operation_id": str(operation_id),
        "type": "import",
        "status": "completed_with_errors",
        "counts": {"updated": 30, "created": 1200, "rejected": 4},
        "total": 1234,
        "scheduled_at": "2027-01-05T09:00:00+01:00",
        "after_id": None,
        "recurring": False,
        "reverses_id": None,
        "withdraws_job_id": None,
        "duration_seconds": 12.3,
        "reason": None,
        "requested_by": "ann",
        "links": {"ui": "http://127.0.0.1:3000/assets", "report": None, "files": {}},
        **changes,
    }
    return made


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        # A little ahead, as the database stamps a message with its own clock.
        self.time = datetime.now(UTC) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.time

    def move(self, wait: timedelta) -> None:
        self.time += wait


@dataclass
class Outbox:
    """The outbox of one account."""

    database: Database
    settings: Settings
    owner: Engine
    account: Account
    clock: Clock = field(default_factory=Clock)

    def tell(
        self,
        *,
        emails: tuple[str, ...] = (),
        webhooks: tuple[str, ...] = (),
        event: Event = Event.JOB_COMPLETED_WITH_ERRORS,
        job_id: UUID | None = None,
        occasion: str = "",
        **changes: Any,
    ) -> int:
        """Write what happened to a job; return how many messages that made."""
        subject = job_id or uuid4()
        notice = Notice(event, subject, occasion, payload_of(subject, **changes))
        with self.database.account(self.account.id) as connection:
            return service.enqueue(
                connection, self.account.id, notice, Recipients(emails, webhooks)
            )

    def tell_of_operation(
        self,
        *,
        emails: tuple[str, ...] = (),
        webhooks: tuple[str, ...] = (),
        event: Event = Event.OPERATION_COMPLETED_WITH_ERRORS,
        operation_id: UUID | None = None,
        occasion: str | None = "",
        **changes: Any,
    ) -> int:
        """Write what happened to an operation; return how many messages that made."""
        subject = operation_id or uuid4()
        notice = Notice(event, subject, occasion, operation_payload_of(subject, **changes))
        with self.database.account(self.account.id) as connection:
            return service.enqueue(
                connection, self.account.id, notice, Recipients(emails, webhooks)
            )

    def deliver(self, **changes: Any) -> DeliveryCounts:
        """Send what is due in this account."""
        given = {"account_id": self.account.id, "most": 100, "now": self.clock, **changes}
        return delivery.deliver_due(self.database, self.settings, **given)

    def log(self, **wanted: Any) -> list[dict[str, Any]]:
        """The messages and their attempts, newest first."""
        found = service.list_deliveries(self.database, self.account, limit=500, **wanted)
        return list(found["notifications"])

    def only(self) -> dict[str, Any]:
        """The one message of the account."""
        (message,) = self.log()
        return message

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Rows that a statement of the owner returns."""
        with self.owner.connect() as connection:
            return list(connection.execute(text(statement), {"account": self.account.id, **values}))


MakeOutbox = Callable[..., Outbox]


@pytest.fixture
def make_outbox(
    database: Database,
    settings: Settings,
    owner: Engine,
    make_account: Callable[..., Account],
) -> Iterator[MakeOutbox]:
    """The outbox of a new account; keyword arguments are settings of the environment."""
    made: list[UUID] = []

    def make(**changes: Any) -> Outbox:
        account = make_account()
        made.append(account.id)
        given = {"webhook_allow_private": True, **changes}
        return Outbox(database, settings.model_copy(update=given), owner, account)

    yield make
    with owner.begin() as connection:
        # Not to be sent by another test, which may look at the outbox of all accounts.
        connection.execute(
            text("delete from enrollment.notifications where account_id = any(:made)"),
            {"made": made},
        )


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    """The outbox of an account of its own for the test; webhooks may lead to loopback."""
    return make_outbox()


@dataclass(frozen=True)
class Received:
    """One request as a webhook met it."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A web server that answers every POST with the next of its answers, the last one for ever."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"ok")]
        self.on_request: Callable[[Any], None] = lambda handler: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                receiver.on_request(self)
                answers = receiver.answers
                code, more, content = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(code)
                for name, value in {"content-length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that hangs up is what some tests are about."""

        self._server = Server((host, port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        """Give this answer from now on."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers = [(code, named, body)]

    def close(self) -> None:
        """Stop, and wait for the requests in progress."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server on loopback that says 200."""
    made = Receiver()
    yield made
    made.close()


class Mailbox:
    """An aiosmtpd handler: keeps what it accepts, and refuses at the step it is told to."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.logins: list[tuple[bytes, bytes, bool]] = []
        self.rcpt_answer = ""
        self.data_answer = "250 taken"
        self.login_works = True

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.rcpt_answer:
            return self.rcpt_answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        if self.data_answer.startswith("250"):
            self.envelopes.append(envelope)
            self.encrypted.append(session.ssl is not None)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.data_answer

    def __call__(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password, session.ssl is not None))
        return AuthResult(success=self.login_works, handled=False)


@dataclass
class MailServer:
    """A mail server of this machine."""

    mailbox: Mailbox
    host: str
    port: int

    def url(self, credentials: str = "", scheme: str = "smtp") -> SecretStr:
        """The setting that names this server."""
        return SecretStr(f"{scheme}://{credentials}{self.host}:{self.port}")


class _AnyPort(Controller):
    """Listens on a port that is free, and learns which."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port)).close()


MakeMailServer = Callable[..., MailServer]


@pytest.fixture
def make_mail_server() -> Iterator[MakeMailServer]:
    """Start a mail server, on loopback or `host`; keyword arguments are those of aiosmtpd."""
    begun: list[Controller] = []

    def make(host: str = "127.0.0.1", **options: Any) -> MailServer:
        mailbox = Mailbox()
        controller = _AnyPort(mailbox, hostname=host, port=0, authenticator=mailbox, **options)
        controller.start()
        begun.append(controller)
        return MailServer(mailbox, host, controller.port)

    yield make
    for controller in begun:
        controller.stop()


@pytest.fixture
def mail_server(make_mail_server: MakeMailServer) -> MailServer:
    """A mail server without encryption or passwords."""
    return make_mail_server()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody vouches for: its file, and the server's context."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return str(public), context


def key_of(secret: str) -> bytes:
    """The key that a webhook secret stands for."""
    return base64.b64decode(secret.removeprefix("whsec_"))
