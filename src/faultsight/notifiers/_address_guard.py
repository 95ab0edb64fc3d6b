"""Addresses that a URL from the settings must not reach: ours, and those of the cloud below us.

Without it, whoever may set a URL could make the service talk to itself, or read the credentials
that clouds serve to each machine (server-side request forgery). Private networks are allowed: the
receivers of a network operations center live there.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from faultsight.core.errors import DeliveryError, SettingError

__all__ = ["networks", "refusal", "resolved"]

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# Where clouds answer with the machine's credentials; most use the link-local 169.254.169.254.
_METADATA = tuple(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_NAT64 = IPv6Network("64:ff9b::/96")


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks such as ``127.0.0.0/8``.

    Raises
    ------
    SettingError
        If one cannot be read.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingError(f"not a network: {error}") from None


def refusal(address: str, allowed: Sequence[Network] = ()) -> str | None:
    """Return why an address must not be reached; None if it may.

    Parameters
    ----------
    address : str
        IPv4 or IPv6.
    allowed : sequence of networks
        What is allowed all the same.

    Examples
    --------
    >>> refusal("127.0.0.1"), refusal("::ffff:169.254.169.254"), refusal("10.1.2.3")
    ('loopback', 'link-local', None)
    >>> refusal("127.0.0.1", networks(["127.0.0.0/8"]))
    """
    plain = _unwrapped(ip_address(address.partition("%")[0]))
    if any(plain in network for network in allowed):
        return None
    if plain.is_loopback:
        return "loopback"
    if plain.is_link_local:
        return "link-local"
    if plain in _METADATA:
        return "metadata of a cloud"
    if plain.is_unspecified or plain in _THIS_NETWORK:
        return "this machine"
    if plain.is_multicast or plain == IPv4Address("255.255.255.255"):
        return "more than one machine"
    return None


def resolved(host: str, port: int, allowed: Sequence[Network] = ()) -> list[str]:
    """Return the addresses of a host, all of which may be reached.

    Connect to what is returned, not to the name: a second look-up may answer differently.

    Raises
    ------
    DeliveryError
        If the name is not known, or one of its addresses must not be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"the host {host!r} is not known: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        why = refusal(address, allowed)
        if why is not None:
            raise DeliveryError(
                f"{host!r} is at {address} ({why}), which is refused; "
                "the setting allowed_networks can allow it"
            )
    return list(dict.fromkeys(addresses))


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
