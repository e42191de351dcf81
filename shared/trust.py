"""Whose certificate a front door may show: one that the system trusts, or that a file of one's own vouches for."""

from __future__ import annotations

import ssl
from pathlib import Path

from shared.errors import ConfigError


def trust(file: Path | None) -> ssl.SSLContext | bool:
    """What `httpx2` verifies with. A certificate in the file need not be an authority's: it vouches for itself, too.

    Raises ConfigError when the file cannot be read.
    """
    if file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(file)
    except OSError as error:
        raise ConfigError(
            f"The certificates in {file} cannot be used",
            error.strerror or str(error),
            "name a PEM file with certificates: CIDERMILL_CA_FILE",
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def distrust(error: BaseException) -> str | None:
    """Why the certificate of whoever answered is not accepted; `None` when the error is another."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return None


#: What helps then.
TRUST_IT = "name its authority's PEM file in CIDERMILL_CA_FILE, and call it by a name in the certificate: CIDERMILL_URL"
