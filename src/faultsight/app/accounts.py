"""Users, sessions and tokens: who is let in, and as whom."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from threading import Lock

from faultsight.app.passwords import (
    check_password,
    digest,
    hash_password,
    new_secret,
    stronger_hash,
)
from faultsight.app.roles import Principal, Role
from faultsight.app.settings import Settings
from faultsight.core.errors import ConflictError, FaultSightError, InputError, NotFoundError
from faultsight.stores.operations import ApiToken, Operations, User

__all__ = [
    "USER_NAME",
    "Accounts",
    "LoginRefusedError",
    "NotAllowedError",
    "TooManyAttemptsError",
]

USER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
"""What a user may be called: it stands in paths and in the audit."""

TOKEN_PREFIX = "fs_"  # noqa: S105 - what every token begins with, so that scanners can find one
_WITHIN_S = 60.0
_NAMES_KEPT = 10_000


class LoginRefusedError(FaultSightError):
    """The name or the password is wrong; it is not told which."""


class TooManyAttemptsError(FaultSightError):
    """Too many failed logins of one name, or too many at once."""


class NotAllowedError(FaultSightError):
    """Somebody else's."""


class Accounts:
    """Who may do what.

    Parameters
    ----------
    ops : Operations
        Where users are kept.
    settings : Settings
        How long a login lasts, and whether the local person is let in before there are users.
    """

    def __init__(self, ops: Operations, settings: Settings) -> None:
        self._ops = ops
        self._server = settings.server
        self._failures = _Failures(settings.limits.login_failures)
        self._has_users = False

    # Who is asking

    def any_user(self) -> bool:
        """Whether a user exists; disabled ones count, or to disable all would open the door."""
        self._has_users = self._has_users or bool(self._ops.users.list())
        return self._has_users

    def local_person(self) -> Principal | None:
        """Return the person at this machine, who is admin until the first user exists."""
        if self._server.local_admin and not self.any_user():
            return Principal("local", Role.ADMIN, "local")
        return None

    def by_session(self, secret: str) -> Principal | None:
        """Return whose session it is; None if it has ended."""
        user = self._ops.users.session(digest(secret))
        return None if user is None else Principal(user.name, user.role, "session")

    def by_token(self, secret: str) -> Principal | None:
        """Return whose token it is; None if it has ended."""
        found = self._ops.users.token(digest(secret))
        if found is None:
            return None
        user, token = found
        return Principal(user.name, token.role, "token")

    # Login

    def login(self, name: str, password: str) -> tuple[str, Principal]:
        """Return the secret of a new session, and whose it is.

        Raises
        ------
        LoginRefusedError
            If the name or the password is wrong.
        TooManyAttemptsError
            If that happened too often within a minute.
        """
        self._check(name, password)
        user = self._ops.users.get(name)
        secret = new_secret()
        expires_s = self._ops.now_s() + self._server.session_s
        self._ops.users.open_session(name, digest(secret), expires_s)
        return secret, Principal(name, user.role, "session")

    def logout(self, secret: str) -> None:
        """End a session."""
        self._ops.users.close_session(digest(secret))

    def change_password(self, who: Principal, old: str, new: str) -> None:
        """Change one's own password; all sessions end."""
        self._check(who.name, old)
        with self._ops.transaction() as tx:
            self._ops.users.set_password_hash(who.name, hash_password(new), tx=tx)
            self._ops.audit.append(who.name, "changed the password", f"user {who.name}", tx=tx)

    def _check(self, name: str, password: str) -> None:
        if not self._failures.may_try(name):
            raise TooManyAttemptsError("too many failed logins; wait a minute")
        stored = self._ops.users.password_hash(name) if "\0" not in name else None
        if not check_password(stored, password):
            self._failures.note(name)
            raise LoginRefusedError("the name or the password is wrong")
        self._failures.forget(name)
        if stored is not None and (stronger := stronger_hash(stored, password)):
            self._ops.users.rehash(name, stronger, instead_of=stored)

    # Users

    def users(self) -> list[User]:
        """Return all users, by name."""
        return self._ops.users.list()

    def user(self, name: str) -> User:
        """Return one user."""
        return self._ops.users.get(name)

    def add_user(self, name: str, password: str, role: Role, who: Principal) -> User:
        """Add a user.

        Raises
        ------
        InputError
            If the password is too short or long.
        ConflictError
            If the name is taken, or the first user is no admin: nobody could add another one.
        """
        hashed = hash_password(password)
        with self._ops.transaction() as tx:
            if role is not Role.ADMIN and not self._ops.users.list(tx=tx):
                raise ConflictError("the first user must be an admin, or nobody could add another")
            user = self._ops.users.add(name, hashed, role, tx=tx)
            detail = {"role": role.value}
            self._ops.audit.append(who.name, "added", f"user {name}", detail=detail, tx=tx)
        return user

    def change_user(
        self,
        name: str,
        *,
        who: Principal,
        why: str,
        expected_version: int | None = None,
        role: Role | None = None,
        is_disabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Change a user's role or password, or shut them out.

        Raises
        ------
        ConflictError
            If no admin would be left, or somebody else was faster.
        """
        if role is None and is_disabled is None and password is None:
            raise InputError("nothing to change: give a role, is_disabled or a password")
        hashed = None if password is None else hash_password(password)
        users = self._ops.users
        with self._ops.transaction() as tx:
            version = expected_version
            user = users.get(name, tx=tx)
            if role is not None:
                user = users.set_role(name, role, expected_version=version, tx=tx)
                version = user.version
            if is_disabled is not None:
                user = users.set_disabled(name, is_disabled, expected_version=version, tx=tx)
                version = user.version
            if hashed is not None:
                if version is not None and users.get(name, tx=tx).version != version:
                    raise ConflictError(f"user {name!r} was changed since it was read")
                user = users.set_password_hash(name, hashed, tx=tx)
            detail = {
                "role": role and role.value,
                "is_disabled": is_disabled,
                "password": "changed" if hashed else None,
            }
            self._ops.audit.append(
                who.name, "changed", f"user {name}", why=why, detail=detail, tx=tx
            )
        return user

    # Tokens

    def tokens(self, who: Principal) -> Sequence[ApiToken]:
        """Return one's own tokens; an admin's answer holds all."""
        return self._ops.users.tokens(None if who.role is Role.ADMIN else who.name)

    def add_token(
        self, who: Principal, name: str, role: Role, expires_s: int | None, *, user: str = ""
    ) -> tuple[ApiToken, str]:
        """Make a token in one's own name, or for another user by the command line.

        Returns
        -------
        (ApiToken, str)
            The token and its secret, which is kept nowhere.

        Raises
        ------
        NotAllowedError
            If it would be able to do more than who makes it.
        ConflictError
            If it would be the token of nobody: before there is a user, there is none to own it.
        """
        if not who.role.may_act_as(role):
            raise NotAllowedError(f"{who.role.value} cannot make a token of {role.value}")
        owner = user or who.name
        if who.via == "local":
            raise ConflictError("a token is a user's; add a user first")
        secret = TOKEN_PREFIX + new_secret()
        with self._ops.transaction() as tx:
            token = self._ops.users.add_token(
                owner, name, digest(secret), role=role, expires_s=expires_s, tx=tx
            )
            detail = {"name": name, "role": role.value, "user": owner}
            self._ops.audit.append(who.name, "added", f"token {token.id}", detail=detail, tx=tx)
        return token, secret

    def revoke_token(self, token_id: int, who: Principal) -> ApiToken:
        """End a token.

        Raises
        ------
        NotFoundError
            If there is none of that number among those that one sees.
        """
        if all(token.id != token_id for token in self.tokens(who)):
            raise NotFoundError("token", token_id)
        with self._ops.transaction() as tx:
            token = self._ops.users.revoke_token(token_id, tx=tx)
            self._ops.audit.append(who.name, "revoked", f"token {token_id}", tx=tx)
        return token


class _Failures:
    """Failed logins by name within the last minute; in memory, so a restart forgets them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def may_try(self, name: str) -> bool:
        with self._lock:
            times = self._times.get(name)
            while times and times[0] < time.monotonic() - _WITHIN_S:
                times.popleft()
            return not times or len(times) < self._most

    def note(self, name: str) -> None:
        with self._lock:
            self._times.setdefault(name, deque(maxlen=self._most)).append(time.monotonic())
            self._times.move_to_end(name)
            while len(self._times) > _NAMES_KEPT:
                self._times.popitem(last=False)

    def forget(self, name: str) -> None:
        with self._lock:
            self._times.pop(name, None)
