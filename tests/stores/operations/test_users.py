"""Users: only hashes, sessions and tokens that end, and always an admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from faultsight.core.errors import ConflictError, InputError, NotFoundError, StaleVersionError
from faultsight.stores.operations import Operations, Role

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
SHA, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def ana(ops: Operations) -> Operations:
    ops.users.add("ana", HASH, Role.ADMIN)
    return ops


def test_a_user_is_added_once_and_the_hash_is_apart(ana: Operations) -> None:
    user = ana.users.get("ana")
    assert (user.name, user.role, user.is_disabled) == ("ana", Role.ADMIN, False)
    assert HASH not in repr(user)
    assert ana.users.password_hash("ana") == HASH
    assert ana.users.password_hash("bob") is None
    assert ana.users.list() == [user]
    with pytest.raises(ConflictError, match="already"):
        ana.users.add("ana", HASH, Role.VIEWER)


@pytest.mark.parametrize("password", ["hunter2", "", "$2b$12$x", HASH[1:]])
def test_a_password_is_never_stored(ops: Operations, password: str) -> None:
    with pytest.raises(InputError, match="never a password"):
        ops.users.add("ana", password, Role.ADMIN)
    with pytest.raises(InputError, match="needs a name"):
        ops.users.add(" ", HASH, Role.ADMIN)


@pytest.mark.parametrize("token", ["secret", "AB" * 32, "ab" * 31, "g" * 64])
def test_a_token_is_never_stored(ana: Operations, token: str) -> None:
    with pytest.raises(InputError, match="never the token"):
        ana.users.open_session("ana", token, 2_000_000)
    with pytest.raises(InputError, match="never the token"):
        ana.users.add_token("ana", "ci", token, role=Role.VIEWER)


def test_roles_rise() -> None:
    allowed = [[role.may_act_as(other) for other in Role] for role in Role]
    assert allowed == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_session_ends_by_time_logout_new_password_and_disabling(
    ana: Operations, clock: Any
) -> None:
    ana.users.add("bob", HASH, Role.VIEWER)

    def begin() -> None:
        ana.users.open_session("bob", SHA, int(clock.now_s) + 100)
        found = ana.users.session(SHA)
        assert found is not None
        assert found.name == "bob"

    begin()
    assert ana.users.session(OTHER) is None
    clock.now_s += 100
    assert ana.users.session(SHA) is None
    begin()
    ana.users.close_session(SHA)
    assert ana.users.session(SHA) is None
    begin()
    version = ana.users.get("bob").version
    assert ana.users.rehash("bob", HASH + "A", instead_of=HASH)
    assert not ana.users.rehash("bob", HASH + "C", instead_of=HASH)
    assert ana.users.password_hash("bob") == HASH + "A"
    assert ana.users.get("bob").version == version
    assert ana.users.session(SHA) is not None
    ana.users.set_password_hash("bob", HASH + "B")
    assert ana.users.session(SHA) is None
    assert ana.users.password_hash("bob") == HASH + "B"
    begin()
    ana.users.set_disabled("bob", True)
    assert ana.users.session(SHA) is None
    assert ana.users.password_hash("bob") is None


def test_a_token_ends_by_time_revoking_and_disabling(ana: Operations, clock: Any) -> None:
    token = ana.users.add_token("ana", "ci", SHA, role=Role.OPERATOR, expires_s=1_000_100)
    assert ana.users.token(SHA) == (ana.users.get("ana"), token)
    assert ana.users.token(OTHER) is None
    with pytest.raises(ConflictError, match="there already"):
        ana.users.add_token("ana", "ci", SHA, role=Role.OPERATOR)
    clock.now_s += 100
    assert ana.users.token(SHA) is None
    second = ana.users.add_token("ana", "ci", OTHER, role=Role.OPERATOR)
    ana.users.revoke_token(second.id)
    assert ana.users.token(OTHER) is None
    assert [one.revoked_s for one in ana.users.tokens("ana")] == [None, 1_000_100]
    ana.users.add("bob", HASH, Role.VIEWER)
    ana.users.add_token("bob", "x", "ef" * 32, role=Role.VIEWER)
    ana.users.set_disabled("bob", True)
    assert ana.users.token("ef" * 32) is None
    ana.users.set_disabled("bob", False)
    assert ana.users.token("ef" * 32) is None, "a token that was ended stays ended"


def test_a_token_can_do_no_more_than_its_user(ana: Operations) -> None:
    ana.users.add("bob", HASH, Role.OPERATOR)
    with pytest.raises(ConflictError, match="cannot be admin"):
        ana.users.add_token("bob", "x", SHA, role=Role.ADMIN)
    ana.users.add_token("bob", "x", SHA, role=Role.OPERATOR)
    ana.users.set_role("bob", Role.VIEWER)
    found = ana.users.token(SHA)
    assert found is not None
    assert found[1].role is Role.VIEWER


def test_there_is_always_an_admin(ana: Operations) -> None:
    ana.users.add("bob", HASH, Role.VIEWER)
    edits: list[Callable[[], object]] = [
        lambda: ana.users.set_role("ana", Role.OPERATOR),
        lambda: ana.users.set_disabled("ana", True),
    ]
    for last in edits:
        with pytest.raises(ConflictError, match="no admin would be left"):
            last()
    assert ana.users.get("ana").role is Role.ADMIN
    ana.users.set_role("bob", Role.ADMIN)
    assert ana.users.set_disabled("ana", True).is_disabled


def test_edits_are_of_the_version_that_was_read(ana: Operations) -> None:
    ana.users.add("bob", HASH, Role.VIEWER)
    assert ana.users.set_role("bob", Role.OPERATOR, expected_version=1).version == 2
    with pytest.raises(StaleVersionError):
        ana.users.set_role("bob", Role.VIEWER, expected_version=1)
    with pytest.raises(StaleVersionError):
        ana.users.set_disabled("bob", True, expected_version=1)
    edits: list[Callable[[], object]] = [
        lambda: ana.users.set_role("eve", Role.VIEWER),
        lambda: ana.users.set_password_hash("eve", HASH),
        lambda: ana.users.open_session("eve", SHA, 2_000_000),
        lambda: ana.users.revoke_token(9),
    ]
    for unknown in edits:
        with pytest.raises(NotFoundError):
            unknown()
