"""Certificates for tests, by openssl: an authority of our own, and what it certifies for 127.0.0.1."""

import subprocess
from pathlib import Path

from tests.etcds import TLS
from tests.live import BOUND_S

_NEW = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(place: Path, name: str) -> TLS:
    """An authority in `place`, and a certificate of it in that name."""
    made = (*_NEW, "-days", "30", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=our own")
    openssl("req", "-x509", *made, at=place)
    return certified(place, name, f"/CN={name}")


def certified(place: Path, name: str, subject: str) -> TLS:
    """A certificate of the authority in `place`."""
    openssl("req", *_NEW, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.request", at=place)
    (place / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "extensions")
    openssl("x509", "-req", "-in", f"{name}.request", *signed, "-out", f"{name}.pem", at=place)
    return TLS(place / "ca.pem", place / f"{name}.pem", place / f"{name}.key")


def openssl(*words: str, at: Path) -> None:
    subprocess.run(["openssl", *words], cwd=at, capture_output=True, check=True, timeout=BOUND_S)
