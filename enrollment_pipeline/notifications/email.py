"""Sending a message by e-mail, over the mail server of the settings.

Belongs here: the connection, what may be said over it, and what the server's answer means. The
words are in `texts`.
"""

import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.notifications.attempts import Attempt, no_answer
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.web.answers import one_line

# Submission, and submission over TLS (RFC 8314).
_PORTS = {"smtp": 587, "smtps": 465}
# Shorter than the first wait of a retry, so that no second sender begins meanwhile.
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mail is handed over."""

    host: str
    port: int
    tls: bool
    user: str
    password: str = field(repr=False)


def send(
    settings: Settings,
    recipient: str,
    *,
    message_id: UUID,
    subject: str,
    body: str,
    now: datetime,
    seconds: float = _SECONDS,
) -> Attempt:
    """Hand a message to the mail server, and return what came of it.

    The Message-ID is the same for every attempt, so that a mailbox can tell a repetition.
    """
    try:
        server = mail_server(settings)
        sender = _sender(settings.mail_from)
    except ConfigurationError as error:
        return no_answer(f"{error.message} {error.advice}")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # No machine answers, as one does that tells of somebody's holidays (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    try:
        with _session(server, seconds) as session:
            session.send_message(message, sender.addr_spec, [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        return _refused(*error.recipients[recipient])
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error)
    except ConfigurationError as error:
        return no_answer(f"{error.message} {error.advice}")
    except ssl.SSLCertVerificationError as error:
        return no_answer(f"The certificate of the mail server is not valid: {error.verify_message}")
    except (smtplib.SMTPException, OSError) as error:
        return no_answer(f"The mail server could not be reached: {one_line(str(error))}")
    return Attempt(delivered=True, answer_code=250)


def mail_server(settings: Settings) -> MailServer:
    """Return the mail server of the settings.

    Raises:
        ConfigurationError: there is none, or its URL cannot be used; the message does not repeat
            the URL, which may hold a password.
    """
    if settings.smtp_url is None:
        raise ConfigurationError(
            "No mail server is set.", remedy="Let ENROLLMENT_SMTP_URL name one."
        )
    try:
        parts = urlsplit(settings.smtp_url.get_secret_value())
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        parts, port = urlsplit(""), 0
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            "ENROLLMENT_SMTP_URL is not the URL of a mail server.",
            remedy="Write it as smtp://user:password@host:port, or smtps://; other characters than "
            "letters, digits and -._~ in user and password as %XX.",
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise ConfigurationError("ENROLLMENT_SMTP_URL has a user or password beyond ASCII.")
    return MailServer(parts.hostname, port, parts.scheme == "smtps", user, password)


def _sender(text: str) -> Address:
    message = EmailMessage()
    try:
        message["From"] = text
        (sender,) = message["From"].addresses
        return Address(sender.display_name, addr_spec=sender.addr_spec.encode("ascii").decode())
    except (ValueError, IndexError, HeaderParseError):
        raise ConfigurationError("ENROLLMENT_MAIL_FROM is not an e-mail address.") from None


@contextmanager
def _session(server: MailServer, seconds: float) -> Iterator[smtplib.SMTP]:
    """Open a session that is encrypted where it can be, and logged in where that is asked for.

    Raises:
        ConfigurationError: it cannot be encrypted or logged in, and must be.
    """
    session = _open(server, seconds)
    try:
        session.ehlo_or_helo_if_needed()
        if not server.tls and session.has_extn("starttls"):
            session.starttls(context=ssl.create_default_context())
            session.ehlo()
        if server.user:
            _log_in(session, server)
        yield session
        # What becomes of the farewell changes nothing: the message is accepted.
        with suppress(smtplib.SMTPException, OSError):
            session.quit()
    finally:
        session.close()


def _open(server: MailServer, seconds: float) -> smtplib.SMTP:
    if server.tls:
        return _LimitedTls(server.host, server.port, seconds, context=ssl.create_default_context())
    return _Limited(server.host, server.port, seconds)


def _log_in(session: smtplib.SMTP, server: MailServer) -> None:
    if not isinstance(session.sock, ssl.SSLSocket) and not _is_loopback(session):
        raise ConfigurationError(
            "The mail server offers no encryption, and the password is not sent without.",
            remedy="Let ENROLLMENT_SMTP_URL name a server with STARTTLS or TLS (smtps://).",
        )
    try:
        session.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError:
        # The fault of a setting and not of the message, which waits for it to be mended.
        raise ConfigurationError(
            "The mail server refuses the user or password of ENROLLMENT_SMTP_URL."
        ) from None
    except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
        raise
    except smtplib.SMTPException:
        raise ConfigurationError(
            "The mail server knows no way to log in that is known here.",
            remedy="Leave user and password out of ENROLLMENT_SMTP_URL, or name another server.",
        ) from None


def _is_loopback(session: smtplib.SMTP) -> bool:
    return session.sock is not None and ip_address(session.sock.getpeername()[0]).is_loopback


class _Limited(smtplib.SMTP):
    """A session that ends after so many seconds, however many replies it takes.

    smtplib's own time-out holds for each of them.
    """

    def __init__(self, host: str, port: int, seconds: float, **options: Any) -> None:
        self._end = time.monotonic() + seconds
        # A host may have two addresses, each of which is tried for that long.
        super().__init__(host, port, timeout=seconds / 2, **options)

    def getreply(self) -> tuple[int, bytes]:
        left = self._end - time.monotonic()
        if left <= 0:
            self.close()
            raise smtplib.SMTPServerDisconnected("it takes too long")
        if self.sock is not None:
            self.sock.settimeout(left)
        return super().getreply()


class _LimitedTls(_Limited, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


def _refused(code: int, text: bytes | str) -> Attempt:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return Attempt(
        delivered=False,
        answer_code=code,
        error=f"The mail server answered {code}: {one_line(words)}",
        retryable=400 <= code <= 499,
    )
