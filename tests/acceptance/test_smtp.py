"""Sending through real servers: TLS, STARTTLS, logins, and addresses beyond ASCII."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from ..foreign import call
from ..nodes.workbooks import workbook
from .conftest import add_account
from .flow_document import merge
from .post_office import PostOffice, post_office
from .program import Program

USER, PASSWORD = "büro@mueller.example", "Grüße, \"mit\" 'Zeichen' & 100 % $HOME"
LONG_AGO = datetime(2024, 2, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of the house, as firms have one."""
    return trustme.CA(organization_name="Müller Hausnetz")


@pytest.fixture(scope="module")
def trust(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How a machine comes to trust that authority."""
    file = tmp_path_factory.mktemp("trust") / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return {"SSL_CERT_FILE": str(file)}


def served(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> Iterator[PostOffice]:
    """TLS from the first byte on."""
    with post_office(tls=served(authority.issue_cert("127.0.0.1")), login=(USER, PASSWORD)) as office:
        yield office


@pytest.fixture(scope="module")
def starttls(authority: trustme.CA) -> Iterator[PostOffice]:
    """It takes mails after STARTTLS and a login."""
    with post_office(starttls=served(authority.issue_cert("127.0.0.1")), login=(USER, PASSWORD)) as office:
        yield office


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A list of two customers."""
    folder = tmp_path / "flow"
    folder.mkdir()
    workbook(
        folder / "list.xlsx",
        [["no", "name", "email"], ["1", "Jörg", "joerg@example.com"], ["2", "Ann", "ann@example.com"]],
    )
    return folder


class TestTls:
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_a_mailing_goes_through_tls_and_a_login(
        self, postwerk: Program, folder: Path, trust: dict[str, str], request: pytest.FixtureRequest, security: str
    ) -> None:
        office: PostOffice = request.getfixturevalue(security)
        office.forget()
        add_account(postwerk, "safe", office.port, security=security, secret=PASSWORD, user=USER)

        ended = postwerk("run", merge(folder, "list.xlsx", account="safe"), **trust)

        assert (ended.code, ended.err) == (0, "")
        assert office.recipients == ["ann@example.com", "joerg@example.com"]
        assert set(office.logins) == {(USER, PASSWORD)}

    def test_an_account_can_be_tried_with_a_mail(
        self, postwerk: Program, tls: PostOffice, trust: dict[str, str]
    ) -> None:
        tls.forget()
        add_account(postwerk, "safe", tls.port, security="tls", secret=PASSWORD, user=USER)

        ended = postwerk("account", "test", "safe", "--to", "ann@example.com", **trust)

        assert ended.code == 0
        assert f"127.0.0.1:{tls.port} answers and takes the login of {USER!r}" in ended.out
        assert tls.recipients == ["ann@example.com"]

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_an_authority_that_the_machine_does_not_know_is_refused(
        self, postwerk: Program, request: pytest.FixtureRequest, security: str
    ) -> None:
        office: PostOffice = request.getfixturevalue(security)
        office.forget()
        add_account(postwerk, "safe", office.port, security=security, secret=PASSWORD, user=USER)

        ended = postwerk("account", "test", "safe")

        assert ended.code == 1
        assert f"The certificate of 127.0.0.1:{office.port} can't be trusted: it was issued by" in ended.words
        assert "which this machine does not know. Its SHA-256 is " in ended.words
        assert "Have the certificate's authority installed on this machine" in ended.words
        assert office.logins == []

    def test_a_certificate_for_another_host_is_refused(
        self, postwerk: Program, authority: trustme.CA, trust: dict[str, str]
    ) -> None:
        told = self.refusal(postwerk, served(authority.issue_cert("mail.mueller.example")), trust)

        assert "it is for 'mail.mueller.example', not for '127.0.0.1'. Write the host as the certificate" in told

    def test_an_expired_certificate_is_refused(
        self, postwerk: Program, authority: trustme.CA, trust: dict[str, str]
    ) -> None:
        expired = authority.issue_cert("127.0.0.1", not_after=LONG_AGO)

        assert f"can't be trusted: it has expired on {LONG_AGO:%Y-%m-%d}." in self.refusal(
            postwerk, served(expired), trust
        )

    def test_a_self_signed_certificate_is_refused(
        self, postwerk: Program, trust: dict[str, str], tmp_path: Path
    ) -> None:
        made = call(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=mail", "-addext",
            "subjectAltName=IP:127.0.0.1",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

        assert "it was issued by nobody but itself (self-signed)." in self.refusal(postwerk, context, trust)

    def refusal(self, postwerk: Program, context: ssl.SSLContext, trust: dict[str, str]) -> str:
        """What is said of a server with such a certificate; nothing may have been sent to it."""
        with post_office(tls=context) as office:
            add_account(postwerk, "odd", office.port, security="tls")
            ended = postwerk("account", "test", "odd", "--to", "ann@example.com", **trust)
        assert ended.code == 1
        assert office.mails == []
        return ended.words

    def test_who_does_not_want_it_verified_is_warned(
        self, postwerk: Program, tls: PostOffice, trust: dict[str, str]
    ) -> None:
        words = ("--host", "127.0.0.1", "--port", str(tls.port), "--security", "tls", "--no-verify-tls")

        added = postwerk("account", "add", "blind", *words, "--sender", "buero@mueller.example")

        assert "anybody on the way can read and change mails" in added.words
        assert postwerk("account", "test", "blind").code == 0

    def test_a_server_without_starttls_gets_no_mail_in_clear(self, postwerk: Program, office: PostOffice) -> None:
        add_account(postwerk, "safe", office.port, security="starttls")

        ended = postwerk("account", "test", "safe", "--to", "ann@example.com")

        assert ended.code == 1
        assert "offers no STARTTLS. Use 'tls' with port 465." in ended.words
        assert office.mails == []

    def test_tls_with_a_port_that_has_none_is_told(self, postwerk: Program, office: PostOffice) -> None:
        add_account(postwerk, "safe", office.port, security="tls")

        ended = postwerk("account", "test", "safe")

        assert ended.code == 1
        assert f"No TLS with 127.0.0.1:{office.port}" in ended.words
        assert "Check port and security of the account:" in ended.words


class TestLogin:
    def test_with_a_wrong_password_mails_stay_queued_until_it_is_right(
        self, postwerk: Program, folder: Path, starttls: PostOffice, trust: dict[str, str]
    ) -> None:
        starttls.forget()
        add_account(postwerk, "safe", starttls.port, security="starttls", secret="falsch", user=USER)
        with postwerk.started("run", merge(folder, "list.xlsx", account="safe"), **trust) as running:
            assert running.stderr is not None
            told = running.stderr.readline()
            running.send_signal(signal.SIGINT)
            rest = running.communicate(timeout=60)[1]

        assert f"refused the login of {USER!r}: 535" in told
        assert "Check user and password of the account." in told
        assert "falsch" not in told + rest
        assert running.returncode == 130
        mails = postwerk("outbox", "list", "--json").json["mails"]
        assert [mail["state"] for mail in mails] == ["queued", "queued"]
        assert f"interrupted, and what was done is kept. Go on with: postwerk runs resume {mails[0]['run']}" in rest
        assert starttls.connections == 1, "servers lock accounts after a few refused logins"

        add_account(postwerk, "safe", starttls.port, security="starttls", secret=PASSWORD, user=USER)
        resumed = postwerk("runs", "resume", mails[0]["run"], **trust)

        assert resumed.code == 0, resumed
        assert starttls.recipients == ["ann@example.com", "joerg@example.com"]

    def test_no_listing_shows_a_password(self, postwerk: Program, tls: PostOffice) -> None:
        add_account(postwerk, "safe", tls.port, security="tls", secret=PASSWORD, user=USER)

        listed, as_json = postwerk("account", "list"), postwerk("account", "list", "--json")

        assert USER in listed.out
        assert {account["name"]: account["user"] for account in as_json.json["accounts"]} == {
            "office": None,
            "safe": USER,
        }
        assert PASSWORD not in listed.out + as_json.out
        assert not [file for file in postwerk.workspace.rglob("*") if file.is_file() and has(file, PASSWORD)]

    def test_without_a_terminal_a_password_is_asked_for_in_a_sentence(self, postwerk: Program) -> None:
        words = ("--host", "mail.example", "--port", "465", "--security", "tls", "--user", "ann")

        ended = postwerk("account", "add", "safe", *words, "--sender", "ann@mail.example")

        assert ended.code == 1
        assert ended.err == "Password of ann is needed, and there is no terminal to ask on. Set POSTWERK_SECRET.\n"


def has(file: Path, text: str) -> bool:
    return text.encode() in file.read_bytes()


class TestAddressesBeyondAscii:
    @pytest.fixture
    def flow(self, folder: Path) -> Path:
        workbook(
            folder / "list.xlsx",
            [["no", "name", "email"], ["1", "Jörg", "jörg@müller.example"], ["2", "Ann", "ann@müller.example"]],
        )
        return merge(folder, "list.xlsx", account="other")

    def test_they_arrive_where_the_server_takes_them(self, postwerk: Program, flow: Path) -> None:
        with post_office(smtputf8=True) as office:
            add_account(postwerk, "other", office.port)
            ended = postwerk("run", flow)

        assert (ended.code, ended.err) == (0, "")
        assert "SMTPUTF8" in office.of("jörg@xn--mller-kva.example").options
        assert "\r\nTo: jörg@xn--mller-kva.example\r\n".encode() in office.of("jörg@xn--mller-kva.example").content
        assert "SMTPUTF8" not in office.of("ann@xn--mller-kva.example").options, "the domain alone needs none"

    def test_where_the_server_does_not_take_them_they_are_refused_and_the_others_are_sent(
        self, postwerk: Program, flow: Path
    ) -> None:
        with post_office(smtputf8=False) as office:
            add_account(postwerk, "other", office.port)
            ended = postwerk("run", flow)

        assert ended.code == 3
        assert office.recipients == ["ann@xn--mller-kva.example"]
        assert "list.xlsx, sheet 'Kunden', row 2" in ended.err
        assert (
            "'jörg@xn--mller-kva.example' is not ASCII before the '@', and 127.0.0.1 does not offer SMTPUTF8. "
            "Use another address of this person, or another account." in ended.words
        )
