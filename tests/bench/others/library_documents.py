"""What the libraries alone allow on all cores: pikepdf fills and locks a form, cryptography signs, smtplib sends.

Worker processes make the mails in batches of 16; four connections send them. Nothing is checked first, nothing kept.
Run: python -m tests.bench.others.library_documents LIST FORM PORT [CERTIFICATE KEY]
"""

from __future__ import annotations

import io
import secrets
import sys
import threading
from base64 import encodebytes
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from queue import Queue
from smtplib import SMTP

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from pikepdf import Encryption
from pikepdf.form import ExtendedAppearanceStreamGenerator, Form

from .careful_merge import CONNECTIONS, SENDER, Mail, rows

BATCH = 16
Row = dict[str, object]


@cache
def read(path: str) -> bytes:
    return Path(path).read_bytes()


def document(row: Row, form: str) -> bytes:
    with pikepdf.open(io.BytesIO(read(form))) as pdf:
        fields = Form(pdf, ExtendedAppearanceStreamGenerator)
        for name, column in (("Name", "name"), ("CustomerNo", "customer_no"), ("Amount", "amount"), ("Iban", "iban")):
            fields[name].value = str(row[column])
        locked, password = io.BytesIO(), str(row["pdf_password"])
        pdf.save(locked, encryption=Encryption(owner=secrets.token_urlsafe(32), user=password, R=6))
    return locked.getvalue()


@cache
def identity_of(certificate: str, key: str) -> tuple[x509.Certificate, RSAPrivateKey]:
    private = serialization.load_pem_private_key(read(key), None)
    assert isinstance(private, RSAPrivateKey)
    return x509.load_pem_x509_certificate(read(certificate)), private


def signed(entity: bytes, certificate: str, key: str) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(entity)
    builder = builder.add_signer(*identity_of(certificate, key), hashes.SHA256())
    signature = builder.sign(serialization.Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
    return (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; '
        b'boundary="=_s"\r\n\r\n'
        b"--=_s\r\n" + entity + b"\r\n--=_s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + crlf(encodebytes(signature)) + b"--=_s--\r\n"
    )


def crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def build(batch: list[Row], form: str, identity: tuple[str, ...]) -> list[Mail]:
    mails = []
    for row in batch:
        entity = (
            b'Content-Type: multipart/mixed; boundary="=_m"\r\n\r\n--=_m\r\nContent-Type: text/plain; charset=utf-8\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n" + crlf(encodebytes(f"Dear {row['name']}".encode()))
            + b"--=_m\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
            b'Content-Disposition: attachment; filename="invoice.pdf"\r\n\r\n' + crlf(encodebytes(document(row, form)))
            + b"--=_m--\r\n"
        )  # fmt: skip
        head = f"From: {SENDER}\r\nTo: {row['email']}\r\nSubject: Invoice {row['customer_no']}\r\nMIME-Version: 1.0\r\n"
        mails.append((str(row["email"]), head.encode() + (signed(entity, *identity) if identity else entity)))
    return mails


def batches(path: str) -> Iterator[list[Row]]:
    table = rows(path)
    while batch := list(islice(table, BATCH)):
        yield batch


def send(port: int, mails: Queue[Mail | None]) -> None:
    with SMTP("127.0.0.1", port, local_hostname="example.com") as server:
        while (mail := mails.get()) is not None:
            server.sendmail(SENDER, mail[0], mail[1])


def main(listed: str, form: str, port: str, *identity: str) -> None:
    mails: Queue[Mail | None] = Queue(maxsize=200)
    senders = [threading.Thread(target=send, args=(int(port), mails)) for _ in range(CONNECTIONS)]
    with ProcessPoolExecutor() as pool:
        under_way = [pool.submit(build, batch, form, identity) for batch in batches(listed)]
        for sender in senders:
            sender.start()
        for batch in under_way:
            for mail in batch.result():
                mails.put(mail)
    for _ in senders:
        mails.put(None)
    for sender in senders:
        sender.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
