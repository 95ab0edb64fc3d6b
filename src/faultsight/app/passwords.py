"""Passwords as argon2 hashes, and secrets of sessions and tokens as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from typing import TYPE_CHECKING

from faultsight.app.busy import AtMost
from faultsight.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["check_password", "digest", "hash_password", "new_secret", "stronger_hash"]

SHORTEST, LONGEST = 12, 1024

# Each check takes tens of megabytes on purpose; a crowd of logins must not take all of them.
_AT_ONCE = AtMost(2, "logins", wait_s=5.0)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password.

    Raises
    ------
    InputError
        If the password is shorter than 12 characters or longer than 1,024.
    MissingExtraError
        If argon2 is not installed.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"a password has {SHORTEST} to {LONGEST} characters")
    with _AT_ONCE:
        return _hasher().hash(_encoded(password))


def check_password(stored: str | None, password: str) -> bool:
    """Whether a password is the one whose hash is stored.

    Without a stored hash (no such user) the same work is done and the answer is no, so that the
    time taken does not tell which names exist.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            matches = _hasher().verify(stored or _nobody(), _encoded(password))
        except (VerificationError, InvalidHashError):
            return False
    return matches and stored is not None


def stronger_hash(stored: str, password: str) -> str | None:
    """Return a new hash of a password whose stored hash is weaker than today's are; else None.

    Parameters
    ----------
    stored : str
        The hash that the password was found right by.
    password : str
        The password.
    """
    if not _hasher().check_needs_rehash(stored):
        return None
    with _AT_ONCE:
        return _hasher().hash(_encoded(password))


def _encoded(password: str) -> bytes:
    # A lone surrogate cannot be written as UTF-8; it is kept, not refused with a traceback.
    return password.encode("utf-8", "surrogatepass")


def new_secret() -> str:
    """Return 256 random bits as text.

    Examples
    --------
    >>> len(new_secret()), new_secret() == new_secret()
    (43, False)
    """
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a secret: with 256 random bits, a plain hash cannot be searched.

    Examples
    --------
    >>> digest("a")[:8]
    'ca978112'
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MissingExtraError("a password", "console") from error
    return PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher().hash(new_secret())
