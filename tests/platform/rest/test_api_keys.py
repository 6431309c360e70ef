"""API keys that another host knows: asked for once, for seconds, and not for nonsense."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from modules.accounts.contract import UnknownApiKey, VerifiedKey
from modules.platform.contracts import SYSTEM, ActorKind, current_context
from modules.platform.rest.api_keys import FRESH, PATIENCE, STALE, AskedKeys
from modules.platform.rest.problems import Problem
from modules.platform.rpc import CallRefused, ModuleUnreachable

KEY = f"fk_12345678_{'a' * 43}"
OTHER = f"fk_12345678_{'b' * 43}"
KNOWN = VerifiedKey(id=UUID(int=7), label="till", scopes=frozenset({"payment:read"}))


@dataclass
class Accounts:
    """Says what it is told to say; notes what it was asked, by whom and until when."""

    says: VerifiedKey | Exception = KNOWN
    asked: list[str] = field(default_factory=list)
    now: float = 1000.0

    def __call__(self, key: str) -> VerifiedKey:
        self.asked.append(key)
        context = current_context()
        assert context.actor == SYSTEM
        assert context.deadline is not None
        assert context.deadline <= datetime.now(UTC) + PATIENCE
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def clock(self) -> float:
        return self.now


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def keys(accounts: Accounts) -> AskedKeys:
    return AskedKeys(accounts, clock=accounts.clock)


def away() -> ModuleUnreachable:
    return ModuleUnreachable(module="accounts", method="accounts.verify_api_key", reason="away")


def test_a_known_key_is_an_actor(keys: AskedKeys) -> None:
    """With its scopes, owning nothing."""
    actor = keys.verify(KEY)
    assert actor is not None
    assert (actor.kind, actor.id, actor.label) == (ActorKind.API_KEY, str(KNOWN.id), "key till")
    assert (actor.scopes, actor.owners) == ({"payment:read"}, frozenset())


@pytest.mark.parametrize("text", ["a.b.c", "something", ""])
def test_other_credentials_are_left_to_others(
    keys: AskedKeys, accounts: Accounts, text: str
) -> None:
    """Nobody is asked."""
    assert keys.verify(text) is None
    assert accounts.asked == []


@pytest.mark.parametrize("text", ["fk_", "fk_short", f"{KEY}x", KEY.replace("a", "ä")])
def test_nonsense_is_refused_here(keys: AskedKeys, accounts: Accounts, text: str) -> None:
    """What cannot be a key is no question for accounts."""
    with pytest.raises(Problem) as refused:
        keys.verify(text)
    assert refused.value.status == 401
    assert accounts.asked == []


def test_an_answer_holds_for_seconds(keys: AskedKeys, accounts: Accounts) -> None:
    """Then it is asked for again: so long does a revoked key work here."""
    keys.verify(KEY)
    accounts.now += FRESH - 0.1
    keys.verify(KEY)
    assert accounts.asked == [KEY]
    accounts.says, accounts.now = UnknownApiKey(), accounts.now + 0.2
    with pytest.raises(Problem, match="unknown, expired or revoked"):
        keys.verify(KEY)


def test_a_revoked_key_is_forgotten(keys: AskedKeys, accounts: Accounts) -> None:
    """It does not come back when accounts goes away afterwards."""
    keys.verify(KEY)
    accounts.now += FRESH + 1
    accounts.says = UnknownApiKey()
    with pytest.raises(Problem):
        keys.verify(KEY)
    accounts.says = away()
    with pytest.raises(Problem) as refused:
        keys.verify(KEY)
    assert refused.value.status == 503


@pytest.mark.parametrize("error", [away(), CallRefused("accounts.x", "unknown_issuer", "who?")])
def test_while_accounts_is_away_a_known_key_stands(
    keys: AskedKeys, accounts: Accounts, error: Exception
) -> None:
    """For a minute; a key that was never seen gets 503 and is told to come again."""
    keys.verify(KEY)
    accounts.says = error
    accounts.now += STALE - 1
    assert keys.verify(KEY) is not None
    for key, later in ((OTHER, 0.0), (KEY, 2.0)):
        accounts.now += later
        with pytest.raises(Problem) as refused:
            keys.verify(key)
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"] == "1"


def test_of_many_at_once_one_asks() -> None:
    """A burst of requests with one key is one call."""
    accounts, together = Accounts(), threading.Barrier(8)

    def slow(key: str) -> VerifiedKey:
        found = accounts(key)
        asked.wait(0.05)
        return found

    asked = threading.Event()
    keys = AskedKeys(slow, clock=accounts.clock)

    def verify(_: int) -> object:
        together.wait()
        return keys.verify(KEY)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(verify, range(8)))
    assert None not in found
    assert accounts.asked == [KEY]


def test_a_callers_shorter_deadline_is_kept(keys: AskedKeys) -> None:
    """Whoever gives up sooner does not wait for accounts longer than that."""
    from modules.platform.contracts import CallContext, call_context

    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    seen = []

    def ask(key: str) -> VerifiedKey:
        seen.append(current_context().deadline)
        return KNOWN

    with call_context(CallContext(deadline=soon)):
        AskedKeys(ask).verify(KEY)
    assert seen == [soon]
