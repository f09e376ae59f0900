"""Whom to trust over TLS, and who we are there: files that an operator names."""

import ssl

from xferzone.errors import UsageError


def trust(
    authorities: str | None = None, certificate: str | None = None, key: str | None = None, peer: str = "etcd"
) -> ssl.SSLContext:
    """Whom to trust, and who we are.

    Args:
        authorities: a PEM file of those to trust; None: the system's.
        certificate: a PEM file of our own certificate; None: we have none. It has no common name if etcd has accounts.
        key: a PEM file of its key, without a passphrase; None: it is in the certificate's file.
        peer: what they are for, in messages.

    Raises:
        UsageError: a file cannot be used; names it.
    """
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ValueError) as exc:
        raise UsageError(f"cannot read the authorities for {peer} in {authorities}: {_why(exc)}") from exc
    if certificate is not None:
        try:
            # An empty passphrase, since OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as exc:
            files = certificate if key is None else f"{certificate} and {key}"
            raise UsageError(f"cannot use the certificate for {peer} in {files}: {_why(exc)}") from exc
    return context


def _why(exc: OSError | ValueError) -> str:
    if isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError):
        return exc.strerror or str(exc)
    return str(exc)
