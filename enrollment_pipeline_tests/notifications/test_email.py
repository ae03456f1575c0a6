"""Messages by e-mail, handed to a real mail server."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psutil
import pytest
from pydantic import SecretStr

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.notifications import email
from enrollment_pipeline.notifications.attempts import Attempt
from enrollment_pipeline.settings import Settings
from enrollment_pipeline_tests.notifications.conftest import MailServer, MakeMailServer, Outbox

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ANN = "ann@example.com"


def send(settings: Settings, smtp_url: SecretStr | None, **changes: Any) -> Attempt:
    """Send a message over a server; what is no argument of `send` is a setting."""
    given = {
        "message_id": uuid4(),
        "subject": "Enrolled",
        "body": "All of them.\n",
        "now": NOW,
        **{name: changes.pop(name) for name in ("message_id", "seconds") if name in changes},
    }
    changed = settings.model_copy(update={"smtp_url": smtp_url, **changes})
    return email.send(changed, ANN, **given)


@pytest.fixture
def trusted(certificate: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server's side of a certificate that this machine trusts."""
    path, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", path)
    return context


def test_a_message_arrives_with_its_words_and_headers(
    outbox: Outbox, mail_server: MailServer
) -> None:
    outbox.settings = outbox.settings.model_copy(
        update={"smtp_url": mail_server.url(), "mail_from": "Enrollment <jobs@example.com>"}
    )
    outbox.tell(emails=(ANN,), workflow_name="Frühling")

    assert outbox.deliver().delivered == 1

    (mail,) = mail_server.mailbox.mails
    assert mail["From"] == "Enrollment <jobs@example.com>"
    assert mail["To"] == ANN
    assert mail["Subject"].startswith("Enrolled into Frühling: 780 of 1,000 rows")
    assert mail["Message-ID"] == f"<{outbox.only()['notification_id']}@example.com>"
    assert mail["Date"].datetime == outbox.clock.time.replace(microsecond=0)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "enrolled                   780" in mail.get_content()
    (envelope,) = mail_server.mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("jobs@example.com", [ANN])
    assert outbox.only()["deliveries"][0]["answer_code"] == 250


def test_the_message_id_is_the_same_for_every_attempt(
    settings: Settings, mail_server: MailServer
) -> None:
    message_id = uuid4()

    for _ in range(2):
        assert send(settings, mail_server.url(), message_id=message_id).delivered

    assert [mail["Message-ID"] for mail in mail_server.mailbox.mails] == [
        f"<{message_id}@localhost>"
    ] * 2


@pytest.mark.parametrize(
    ("step", "answer", "retryable"),
    [
        ("rcpt_answer", "451 try again later", True),
        ("rcpt_answer", "550 no such mailbox", False),
        ("data_answer", "452 mailbox is full", True),
        ("data_answer", "554 looks like spam", False),
    ],
)
def test_what_the_server_refuses_for_now_is_tried_again_and_nothing_else(
    settings: Settings, mail_server: MailServer, step: str, answer: str, retryable: bool
) -> None:
    setattr(mail_server.mailbox, step, answer)

    attempt = send(settings, mail_server.url())

    assert attempt == Attempt(
        delivered=False,
        answer_code=int(answer[:3]),
        error=f"The mail server answered {answer[:3]}: {answer[4:]}",
        retryable=retryable,
    )
    assert mail_server.mailbox.mails == []


def test_a_password_is_sent_to_loopback_without_encryption(
    settings: Settings, make_mail_server: MakeMailServer
) -> None:
    server = make_mail_server(auth_require_tls=False)

    assert send(settings, server.url("ann:s%40cret@")).delivered
    assert server.mailbox.logins == [(b"ann", b"s@cret", False)]


def test_a_password_is_not_sent_elsewhere_without_encryption(
    settings: Settings, make_mail_server: MakeMailServer
) -> None:
    addresses = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith("127.")
    ]
    if not addresses:
        pytest.skip("this machine has no address but loopback")
    server = make_mail_server(addresses[0], auth_require_tls=False)

    attempt = send(settings, server.url("ann:secret@"))

    assert "offers no encryption" in str(attempt.error)
    assert attempt.retryable
    assert server.mailbox.logins == server.mailbox.mails == []
    assert send(settings, server.url()).delivered


def test_a_wrong_password_is_waited_for_to_be_mended_and_is_not_repeated(
    settings: Settings, make_mail_server: MakeMailServer
) -> None:
    server = make_mail_server(auth_require_tls=False)
    server.mailbox.login_works = False

    attempt = send(settings, server.url("ann:hunter2@"))

    assert (attempt.delivered, attempt.retryable) == (False, True)
    assert "ENROLLMENT_SMTP_URL" in (attempt.error or "")
    assert "hunter2" not in str(attempt)


def test_a_server_that_takes_no_password_is_named_as_such(
    settings: Settings, mail_server: MailServer
) -> None:
    # aiosmtpd offers AUTH only where it is encrypted.
    attempt = send(settings, mail_server.url("ann:hunter2@"))

    assert "knows no way to log in" in str(attempt.error)
    assert attempt.retryable
    assert mail_server.mailbox.mails == []


def test_encryption_that_is_offered_is_used_before_the_password(
    settings: Settings, make_mail_server: MakeMailServer, trusted: Any
) -> None:
    server = make_mail_server(tls_context=trusted, require_starttls=True)

    assert send(settings, server.url("ann:secret@")).delivered
    assert server.mailbox.logins == [(b"ann", b"secret", True)]
    assert server.mailbox.encrypted == [True]


def test_a_server_that_speaks_tls_from_the_first_byte_is_spoken_to_so(
    settings: Settings, make_mail_server: MakeMailServer, trusted: Any
) -> None:
    server = make_mail_server(ssl_context=trusted, auth_require_tls=False)

    assert send(settings, server.url("ann:secret@", scheme="smtps")).delivered
    assert [login[:2] for login in server.mailbox.logins] == [(b"ann", b"secret")]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    settings: Settings, make_mail_server: MakeMailServer, certificate: Any, scheme: str
) -> None:
    given = {"smtp": "tls_context", "smtps": "ssl_context"}[scheme]
    server = make_mail_server(**{given: certificate[1], "auth_require_tls": False})

    attempt = send(settings, server.url("ann:secret@", scheme=scheme))

    assert "certificate of the mail server is not valid" in str(attempt.error)
    assert attempt.retryable
    assert server.mailbox.logins == server.mailbox.mails == []


def test_without_a_mail_server_the_setting_is_named(settings: Settings) -> None:
    attempt = send(settings, None)

    assert attempt == Attempt(
        delivered=False,
        error="No mail server is set. Let ENROLLMENT_SMTP_URL name one.",
        retryable=True,
    )


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://:hunter2@",
        "smtp://ann:hunter2@mail.example.com:many",
        "smtp://ann:hunter2@mail.example.com:99999",
        "smtp://ann:hunter2/@mail.example.com",
        "smtp://ann:hunter2#@mail.example.com",
        "smtp://ann:hunter2@mail.example.com/path",
        "smtp://ann:hünter2@mail.example.com",
        "smtp://[::1",
    ],
)
def test_a_url_that_is_wrong_is_told_and_not_repeated(settings: Settings, url: str) -> None:
    attempt = send(settings, SecretStr(url))

    assert str(attempt.error).startswith("ENROLLMENT_SMTP_URL ")
    assert attempt.retryable
    assert "nter2" not in str(attempt)


@pytest.mark.parametrize(
    "sender", ["nobody", "a@b\r\nBcc: c@d", "", "a@b, c@d", "ü@example.com", "<>"]
)
def test_a_sender_that_is_no_address_is_told(
    settings: Settings, mail_server: MailServer, sender: str
) -> None:
    attempt = send(settings, mail_server.url(), mail_from=sender)

    assert str(attempt.error).startswith("ENROLLMENT_MAIL_FROM is not an e-mail address.")
    assert mail_server.mailbox.mails == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, False, "", "")),
        ("smtps://mail.example.com", ("mail.example.com", 465, True, "", "")),
        ("smtp://a%3Ab:c%2Fd@[::1]:2525/", ("::1", 2525, False, "a:b", "c/d")),
    ],
)
def test_the_url_says_where_and_as_whom(
    settings: Settings, url: str, server: tuple[object, ...]
) -> None:
    found = email.mail_server(settings.model_copy(update={"smtp_url": SecretStr(url)}))

    assert (found.host, found.port, found.tls, found.user, found.password) == server
    assert server[-1] == "" or str(server[-1]) not in repr(found)


def test_no_server_raises_the_error_that_names_the_setting(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="No mail server"):
        email.mail_server(settings.model_copy(update={"smtp_url": None}))


def test_nobody_at_the_port_is_a_trouble_that_may_pass(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    attempt = send(settings, SecretStr(f"smtp://127.0.0.1:{port}"))

    assert attempt.unreachable
    assert "could not be reached" in str(attempt.error)


@pytest.fixture
def slow_server() -> Iterator[int]:
    """A mail server that takes a fifth of a second for each line and never comes to an end."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"220 slow\r\n")
            while not ended.wait(0.2):
                try:
                    connection.recv(1000)
                    connection.sendall(b"250-slow\r\n250 ok\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    ended.set()
    thread.join()
    listening.close()


def test_a_server_that_never_comes_to_an_end_is_left_after_a_while(
    settings: Settings, slow_server: int
) -> None:
    begun = datetime.now(UTC)

    attempt = send(settings, SecretStr(f"smtp://127.0.0.1:{slow_server}"), seconds=0.5)

    assert attempt.unreachable
    assert datetime.now(UTC) - begun < timedelta(seconds=2)
