"""What a trusted proxy in front of us says about the connection: the client's certificate.

Rule: the header counts only when the peer itself is one of the operator's proxies; from everybody
else it is ignored, whatever it says (RFC 9440, section 3).
"""

import base64
import binascii
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from cryptography import x509
from litestar.connection import ASGIConnection

from wms.access.certificates import BadCertificate, thumbprint_of
from wms.settings import BadSettings, Settings

CLIENT_CERT = "client-cert"
LENGTH_MAX = 16384


@cache
def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The proxies that are believed. Raises BadSettings."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise BadSettings(problems=f"WMS_TRUSTED_PROXIES={text!r}: {error}") from None


def is_trusted(host: str, settings: Settings) -> bool:
    """Whether the peer is one of the operator's proxies."""
    known = networks(settings.trusted_proxies)
    if not known:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in known)


def certificate_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Thumbprint of the client's certificate, or "" without one. Raises BadCertificate."""
    values = connection.headers.getall(CLIENT_CERT, [])
    if not values:
        return ""
    host = connection.client.host if connection.client else ""
    if not is_trusted(host, connection.app.state.settings):
        return ""
    if len(values) != 1:
        raise BadCertificate()
    return _thumbprint(values[0].strip())


def _thumbprint(value: str) -> str:
    """Of a byte sequence in a structured field: `:base64 of the DER form:`."""
    if not (2 < len(value) <= LENGTH_MAX and value[0] == value[-1] == ":"):
        raise BadCertificate()
    try:
        der = base64.b64decode(value[1:-1], validate=True)
        certificate = x509.load_der_x509_certificate(der)
        ended = certificate.not_valid_after_utc < datetime.now(UTC)
    except (binascii.Error, ValueError):
        raise BadCertificate() from None
    if ended:
        raise BadCertificate()
    return thumbprint_of(der)
