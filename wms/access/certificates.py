"""Client certificates: read from PEM or DER, known by their SHA-256 thumbprint (RFC 8705, 3.1)."""

import base64
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wms.errors import Invalid


class BadCertificate(Invalid):
    say = "That is not a certificate (PEM or DER of X.509)."


def thumbprint_of(der: bytes) -> str:
    """`x5t#S256`: base64url of the SHA-256 of the DER form, without padding."""
    return base64.urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()


def read_thumbprint(file: bytes) -> str:
    """The thumbprint of a certificate file. Raises BadCertificate."""
    try:
        if b"-----BEGIN" in file:
            found = x509.load_pem_x509_certificate(file)
        else:
            found = x509.load_der_x509_certificate(file)
    except ValueError:
        raise BadCertificate() from None
    return thumbprint_of(found.public_bytes(Encoding.DER))
