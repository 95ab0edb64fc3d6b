"""Users, their sessions and API tokens; only hashes are stored, and made by who calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import ConflictError, InputError, NotFoundError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._topic import Topic, check_version

__all__ = ["ApiToken", "Role", "User", "Users"]


class Role(StrEnum):
    """What somebody may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def may_act_as(self, other: Role) -> bool:
        """Whether this role may do what the other one may.

        Examples
        --------
        >>> Role.OPERATOR.may_act_as(Role.VIEWER), Role.OPERATOR.may_act_as(Role.ADMIN)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class User:
    """Somebody who may log in.

    Attributes
    ----------
    name : str
        Unique.
    role : Role
        What they may do.
    is_disabled : bool
        They may not log in; what they did stays under their name.
    created_s : int
        When they were added.
    version : int
        One more with every change.
    """

    name: str
    role: Role
    is_disabled: bool
    created_s: int
    version: int


@dataclass(frozen=True)
class ApiToken:
    """A token for programs; its hash stays in the database.

    Attributes
    ----------
    id : int
        In the order in which they were made.
    user, name : str
        Whose, and what it is for.
    role : Role
        At most that of its user.
    created_s : int
        When it was made.
    expires_s, revoked_s : int, optional
        When it ends, or was ended.
    """

    id: int
    user: str
    name: str
    role: Role
    created_s: int
    expires_s: int | None
    revoked_s: int | None


class Users(Topic):
    """Who may log in."""

    def add(
        self, name: str, password_hash: str, role: Role, *, tx: Transaction | None = None
    ) -> User:
        """Add a user.

        Parameters
        ----------
        password_hash : str
            Of argon2; a password must never come here.

        Raises
        ------
        ConflictError
            If the name is taken.
        InputError
            If the name is empty or the hash is not one.
        """
        if not name.strip():
            raise InputError("a user needs a name")
        _check_hash(password_hash)
        with self._database.writing(tx) as tx:
            if tx.execute(_where_name(name)).first() is not None:
                raise ConflictError(f"there is a user {name!r} already")
            tx.execute(
                schema.users.insert().values(
                    name=name,
                    password_hash=password_hash,
                    role=Role(role).value,
                    is_disabled=False,
                    created_s=self._database.now_s(),
                    version=1,
                )
            )
            return self.get(name, tx=tx)

    def get(self, name: str, *, tx: Transaction | None = None) -> User:
        """Return one user.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        with self._database.reading(tx) as tx:
            return _user(self._row(tx, schema.users, "user", name=name))

    def list(self, *, tx: Transaction | None = None) -> list[User]:
        """Return all users by name, the disabled too."""
        query = sa.select(schema.users).order_by(schema.users.c.name)
        with self._database.reading(tx) as tx:
            return [_user(row) for row in tx.execute(query)]

    def password_hash(self, name: str, *, tx: Transaction | None = None) -> str | None:
        """Return the stored hash to verify against; None if nobody of that name may log in."""
        with self._database.reading(tx) as tx:
            row = tx.execute(_where_name(name)).first()
        return None if row is None or row.is_disabled else str(row.password_hash)

    def set_password_hash(
        self, name: str, password_hash: str, *, tx: Transaction | None = None
    ) -> User:
        """Replace a user's hash and end all their sessions."""
        _check_hash(password_hash)
        with self._database.writing(tx) as tx:
            self._update(tx, name, password_hash=password_hash)
            self.close_sessions(name, tx=tx)
            return self.get(name, tx=tx)

    def rehash(
        self, name: str, password_hash: str, *, instead_of: str, tx: Transaction | None = None
    ) -> bool:
        """Replace a user's hash by a stronger one of the same password; sessions go on.

        Whoever edits the user meanwhile is not in the way, for nothing that they see changes.

        Parameters
        ----------
        name : str
            Whose.
        password_hash : str
            The new one.
        instead_of : str
            The one that the password was checked against.

        Returns
        -------
        bool
            False if there is another hash by now: the password was changed, and stays so.
        """
        _check_hash(password_hash)
        table = schema.users
        is_same = sa.and_(table.c.name == name, table.c.password_hash == instead_of)
        with self._database.writing(tx) as tx:
            done = tx.execute(table.update().where(is_same).values(password_hash=password_hash))
            return bool(done.rowcount)

    def set_role(
        self,
        name: str,
        role: Role,
        *,
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> User:
        """Change what a user may do.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such user, or it was changed since that version.
        ConflictError
            If no admin would be left.
        """
        with self._database.writing(tx) as tx:
            check_version("user", name, self.get(name, tx=tx).version, expected_version)
            self._update(tx, name, role=Role(role).value)
            self._check_admins(tx)
            return self.get(name, tx=tx)

    def set_disabled(
        self,
        name: str,
        is_disabled: bool,
        *,
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> User:
        """Keep a user from logging in, or allow it again; disabling ends sessions and tokens.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such user, or it was changed since that version.
        ConflictError
            If no admin would be left.
        """
        with self._database.writing(tx) as tx:
            check_version("user", name, self.get(name, tx=tx).version, expected_version)
            self._update(tx, name, is_disabled=is_disabled)
            self._check_admins(tx)
            if is_disabled:
                self.close_sessions(name, tx=tx)
                for token in self.tokens(name, tx=tx):
                    self.revoke_token(token.id, tx=tx)
            return self.get(name, tx=tx)

    def open_session(
        self, user: str, token_sha256: str, expires_s: int, *, tx: Transaction | None = None
    ) -> None:
        """Begin a session; the token itself is known to the browser alone."""
        _check_sha256(token_sha256)
        now_s = self._database.now_s()
        table = schema.sessions
        with self._database.writing(tx) as tx:
            self.get(user, tx=tx)
            tx.execute(table.delete().where(table.c.expires_s <= now_s))
            tx.execute(
                table.insert().values(
                    token_sha256=token_sha256, user=user, created_s=now_s, expires_s=expires_s
                )
            )

    def session(self, token_sha256: str, *, tx: Transaction | None = None) -> User | None:
        """Return whose session it is; None if it has ended or its user is disabled."""
        sessions, users = schema.sessions, schema.users
        query = (
            sa.select(users)
            .join(sessions, sessions.c.user == users.c.name)
            .where(
                sessions.c.token_sha256 == token_sha256,
                sessions.c.expires_s > self._database.now_s(),
                users.c.is_disabled.is_(False),
            )
        )
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        return None if row is None else _user(row)

    def close_session(self, token_sha256: str, *, tx: Transaction | None = None) -> None:
        """End a session."""
        table = schema.sessions
        with self._database.writing(tx) as tx:
            tx.execute(table.delete().where(table.c.token_sha256 == token_sha256))

    def close_sessions(self, user: str, *, tx: Transaction | None = None) -> None:
        """End all sessions of a user."""
        with self._database.writing(tx) as tx:
            tx.execute(schema.sessions.delete().where(schema.sessions.c.user == user))

    def add_token(
        self,
        user: str,
        name: str,
        token_sha256: str,
        *,
        role: Role,
        expires_s: int | None = None,
        tx: Transaction | None = None,
    ) -> ApiToken:
        """Add an API token.

        Raises
        ------
        NotFoundError
            If there is no such user.
        ConflictError
            If it would be able to do more than its user, or is there already.
        """
        _check_sha256(token_sha256)
        table = schema.api_tokens
        with self._database.writing(tx) as tx:
            if not self.get(user, tx=tx).role.may_act_as(Role(role)):
                raise ConflictError(f"a token of {user!r} cannot be {Role(role).value}")
            same = sa.select(table.c.id).where(table.c.token_sha256 == token_sha256)
            if tx.execute(same).first() is not None:
                raise ConflictError("the token is there already")
            done = tx.execute(
                table.insert().values(
                    user=user,
                    name=name,
                    token_sha256=token_sha256,
                    role=Role(role).value,
                    created_s=self._database.now_s(),
                    expires_s=expires_s,
                )
            )
            (token_id,) = done.inserted_primary_key or (0,)
            return _token(self._row(tx, table, "token", id=token_id))

    def token(
        self, token_sha256: str, *, tx: Transaction | None = None
    ) -> tuple[User, ApiToken] | None:
        """Return whose token it is; None if it has ended or its user is disabled.

        The role is the lower of the token's and what its user has by now.
        """
        table = schema.api_tokens
        with self._database.reading(tx) as tx:
            row = tx.execute(sa.select(table).where(table.c.token_sha256 == token_sha256)).first()
            if row is None:
                return None
            token, user = _token(row), self.get(row.user, tx=tx)
        has_ended = token.expires_s is not None and token.expires_s <= self._database.now_s()
        if token.revoked_s is not None or has_ended or user.is_disabled:
            return None
        if not user.role.may_act_as(token.role):
            token = ApiToken(**{**token.__dict__, "role": user.role})
        return user, token

    def tokens(
        self, user: str | None = None, *, tx: Transaction | None = None
    ) -> Sequence[ApiToken]:
        """Return the tokens of a user, or of all, also the revoked."""
        table = schema.api_tokens
        query = sa.select(table).order_by(table.c.id)
        if user is not None:
            query = query.where(table.c.user == user)
        with self._database.reading(tx) as tx:
            return [_token(row) for row in tx.execute(query)]

    def revoke_token(self, token_id: int, *, tx: Transaction | None = None) -> ApiToken:
        """End an API token.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        table = schema.api_tokens
        with self._database.writing(tx) as tx:
            token = _token(self._row(tx, table, "token", id=token_id))
            if token.revoked_s is None:
                now_s = self._database.now_s()
                tx.execute(table.update().where(table.c.id == token_id).values(revoked_s=now_s))
            return _token(self._row(tx, table, "token", id=token_id))

    def _update(self, tx: Transaction, name: str, **values: Any) -> None:
        table = schema.users
        done = tx.execute(
            table.update().where(table.c.name == name).values(version=table.c.version + 1, **values)
        )
        if done.rowcount == 0:
            raise NotFoundError("user", name)

    def _check_admins(self, tx: Transaction) -> None:
        table = schema.users
        admins = sa.select(table.c.name).where(
            table.c.role == Role.ADMIN.value, table.c.is_disabled.is_(False)
        )
        if tx.execute(admins).first() is None:
            raise ConflictError("no admin would be left")


def _where_name(name: str) -> sa.Select[Any]:
    return sa.select(schema.users).where(schema.users.c.name == name)


def _check_hash(password_hash: str) -> None:
    if not password_hash.startswith("$argon2"):
        raise InputError("only a hash of argon2 is stored, never a password")


def _check_sha256(token_sha256: str) -> None:
    if len(token_sha256) != 64 or not set(token_sha256) <= set("0123456789abcdef"):
        raise InputError("only the SHA-256 of a token is stored, never the token")


def _user(row: sa.Row[Any]) -> User:
    return User(row.name, Role(row.role), row.is_disabled, row.created_s, row.version)


def _token(row: sa.Row[Any]) -> ApiToken:
    return ApiToken(
        row.id, row.user, row.name, Role(row.role), row.created_s, row.expires_s, row.revoked_s
    )
