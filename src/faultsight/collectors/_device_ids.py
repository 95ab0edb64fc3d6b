"""Whose polls these are: a modem's MAC address, hashed unless told otherwise.

A keyed hash (HMAC-SHA256, cut to 64 bits) is the same in every round, so that polls, topology and
tickets meet, and without the key nobody finds the address again. Without a key it hides addresses
from a glance only: a vendor has 16 million serial numbers, which a computer tries in seconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from faultsight.core.errors import InputError

__all__ = ["DeviceIds", "mac_bytes"]

_HEX_DIGITS = 16
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class DeviceIds:
    """How a MAC address becomes a ``device_id``.

    Parameters
    ----------
    key : bytes
        Of the hash; never shown.
    hashed : bool
        False: the address itself, in lower case with colons.

    Examples
    --------
    >>> DeviceIds(key=b"0123456789abcdef").of("00-11-00-00-00-FB")
    '4c22a6e299979204'
    >>> DeviceIds(hashed=False).of("0011.0000.00fb")
    '00:11:00:00:00:fb'
    """

    key: bytes = field(default=b"", repr=False)
    hashed: bool = True

    @classmethod
    def from_key_file(cls, path: Path | str) -> DeviceIds:
        """Return hashing with the key in a file, of which surrounding white space is no part.

        Raises
        ------
        InputError
            If the file cannot be read, or its key is short.
        """
        try:
            key = Path(path).read_bytes().strip()
        except OSError as error:
            raise InputError(
                f"the key cannot be read: {error.strerror}; make one with "
                f"'openssl rand -hex 32 > {path}' and keep it",
                source=str(path),
            ) from error
        if len(key) < _SHORTEST_KEY:
            raise InputError(f"a key has at least {_SHORTEST_KEY} bytes", source=str(path))
        return cls(key)

    def of(self, mac: str | bytes) -> str:
        """Return the ``device_id`` of a MAC address.

        Raises
        ------
        ValueError
            If it is no MAC address.
        """
        octets = mac_bytes(mac)
        if not self.hashed:
            return octets.hex(":")
        return hmac.new(self.key, octets, hashlib.sha256).hexdigest()[:_HEX_DIGITS]


def mac_bytes(mac: str | bytes) -> bytes:
    """Return the six bytes of a MAC address in any of the usual notations.

    Raises
    ------
    ValueError
        If it is no MAC address.

    Examples
    --------
    >>> mac_bytes("00:11:00:00:00:fb") == mac_bytes("0011.0000.00FB")
    True
    """
    if isinstance(mac, bytes):
        octets = mac
    else:
        digits = re.sub(r"[-:.\s]", "", mac)
        octets = bytes.fromhex(digits) if re.fullmatch(r"[0-9A-Fa-f]{12}", digits) else b""
    if len(octets) != 6:
        raise ValueError("not a MAC address")
    return octets
