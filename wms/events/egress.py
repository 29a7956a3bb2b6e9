"""Where webhooks may go: public HTTPS addresses, and what the operator allows besides.

Addresses are judged where the socket is made, after the name was resolved, so neither a rebinding
name nor an odd spelling of an address gets through. The default is no.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import msgspec

from wms.errors import Invalid

Network = IPv4Network | IPv6Network
PORTS = {443, 8443}
# Reachable by name of the standard library, but carriers of an IPv4 address that may not be.
MAPPED = [ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


class BadUrl(Invalid):
    say = "{url!r} cannot be called: {reason}"


class BadNetwork(Invalid):
    say = "{text!r} is not a network in CIDR form such as 10.0.0.0/8."


class BlockedAddress(OSError):
    """An address that must not be called. An OSError, because sockets raise those."""


class Target(msgspec.Struct, frozen=True):
    """A URL taken apart."""

    scheme: str
    host: str
    port: int


class Egress(msgspec.Struct, frozen=True):
    """The rule: global addresses over HTTPS, and any scheme and port inside `allowed`."""

    allowed: tuple[Network, ...] = ()

    def judge(self, address: str) -> str:
        """Why this address must not be called, or nothing when it may. Scope ids are dropped."""
        ip = ip_address(address.split("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        if any(ip.version == net.version and ip in net for net in self.allowed):
            return ""
        if not ip.is_global or ip.is_multicast or ip.is_reserved:
            return f"{ip} is not a public address"
        if any(ip.version == net.version and ip in net for net in MAPPED):
            return f"{ip} carries another address"
        return ""

    def is_allowed(self, address: str) -> bool:
        """True when the operator named this address, so plain HTTP and any port are fine."""
        ip = ip_address(address.split("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        return any(ip.version == net.version and ip in net for net in self.allowed)

    def check_socket(self, address: str, target: Target) -> None:
        """Raises BlockedAddress unless this address may be called for this target."""
        why = self.judge(address)
        if not why and not self.is_allowed(address):
            if target.scheme != "https":
                why = "only HTTPS leaves the house"
            elif target.port not in PORTS:
                why = f"port {target.port} is not one of {sorted(PORTS)}"
        if why:
            raise BlockedAddress(why)


def read_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated CIDRs. Raises BadNetwork."""
    found: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(part, strict=False))
        except ValueError:
            raise BadNetwork(text=part) from None
    return tuple(found)


def read_url(url: str, egress: Egress) -> Target:
    """What a person may save as an endpoint. Raises BadUrl; names are judged again when called."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise BadUrl(url=url, reason=str(error)) from None
    if parts.scheme not in ("https", "http"):
        raise BadUrl(url=url, reason="only https:// (and http:// inside allowed networks)")
    if not host:
        raise BadUrl(url=url, reason="it names no host")
    if parts.username is not None or parts.password is not None:
        raise BadUrl(url=url, reason="user and password do not belong into a URL")
    if parts.fragment:
        raise BadUrl(url=url, reason="a fragment is never sent")
    target = Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))
    try:
        ip_address(host)
    except ValueError:
        if target.scheme == "http" and not egress.allowed:
            raise BadUrl(url=url, reason="plain HTTP needs an allowed network") from None
        return target
    try:
        egress.check_socket(host, target)
    except BlockedAddress as error:
        raise BadUrl(url=url, reason=str(error)) from None
    return target
