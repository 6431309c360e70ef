"""Who asks: good tokens, every kind of bad one, opaque credentials, and what is remembered."""

from __future__ import annotations

import base64
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from strangler_proxy.auth.authenticator import Authenticator
from strangler_proxy.auth.identity import (
    EXPIRED,
    INVALID,
    MALFORMED,
    MISSING,
    NO_KEYS,
    NOT_A_JWT,
    TOO_EARLY,
    TOO_LONG,
    TWICE,
    UNKNOWN_KEY,
    Identity,
    lacks,
)
from strangler_proxy.errors import Refusal
from tests.proxy.issuing import (
    AUDIENCE,
    ISSUER,
    NOW,
    SUBJECT,
    Asking,
    Issuer,
    Published,
    settings,
    signed,
)

SHOP = Issuer()
OTHER = Issuer("20270116T080000000000-ffffff")
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": SUBJECT,
    "iat": int(NOW),
    "exp": int(NOW) + 900,
    "jti": "1",
}
HEAD = {"kid": SHOP.kid, "typ": "at+jwt"}


def door(*issuers: Issuer, **changed: Any) -> tuple[Authenticator, Published]:
    """An authenticator and the keys that it believes."""
    source = Published(*(issuers or (SHOP,)))
    return Authenticator(settings(**changed), source), source


def identity(found: Identity | Refusal | None) -> Identity:
    assert isinstance(found, Identity), found
    return found


def refusal(found: Identity | Refusal | None) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


# ---------------------------------------------------------------- good tokens


def test_a_customers_token_names_them() -> None:
    """Subject, scopes and expiry are those of the claims; a customer is not staff."""
    found = door()[0].identify(Asking(SHOP.token()), NOW)
    assert found == Identity(SUBJECT, frozenset(), int(NOW) + 900, staff=False)
    assert identity(found).lines == f"Ficus-Subject: {SUBJECT}\r\n".encode()


def test_staff_have_the_word_in_the_claim_that_marks_them() -> None:
    """The shop marks staff by ``kind``, and gives their scopes as words."""
    token = SHOP.token(kind="staff", scope="payment:read payment:write")
    found = identity(door()[0].identify(Asking(token), NOW))
    assert found.staff
    assert found.scopes == {"payment:read", "payment:write"}
    assert (
        found.lines
        == (
            f"Ficus-Subject: {SUBJECT}\r\nFicus-Scopes: payment:read payment:write\r\n"
            "Ficus-Staff: true\r\n"
        ).encode()
    )


def test_staff_may_be_marked_by_a_scope_instead() -> None:
    """Another issuer's staff are told by another claim."""
    guard, _ = door(staff_claim="scope", staff_word="admin")
    assert identity(guard.identify(Asking(SHOP.token(scope="read admin")), NOW)).staff
    assert not identity(guard.identify(Asking(SHOP.token(scope="read administrator")), NOW)).staff


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(scheme: str) -> None:
    """As RFC 9110 says."""
    header = f"{scheme}  {SHOP.token()} ".encode()
    assert identity(door()[0].identify(Asking(header), NOW)).subject == SUBJECT


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_other_algorithms_count_where_they_are_named(algorithm: str) -> None:
    """A key of an algorithm that the document does not name verifies nothing."""
    issuer = Issuer("k", algorithm)
    token = issuer.token()
    found = door(issuer, algorithms=("EdDSA", algorithm))[0].identify(Asking(token), NOW)
    assert identity(found).subject == SUBJECT
    assert door(issuer)[0].identify(Asking(token), NOW) is INVALID


def test_an_audience_may_be_one_of_several() -> None:
    """``aud`` may be a list."""
    token = SHOP.token(aud=["elsewhere", AUDIENCE])
    assert identity(door()[0].identify(Asking(token), NOW)).subject == SUBJECT


def test_the_type_is_looked_at_only_if_one_is_named() -> None:
    """Issuers that do not follow RFC 9068 send ``JWT`` or nothing."""
    token = SHOP.token(headers={"typ": "JWT"})
    assert door()[0].identify(Asking(token), NOW) is INVALID
    assert identity(door(token_type=None)[0].identify(Asking(token), NOW)).subject == SUBJECT
    full = SHOP.token(headers={"typ": "application/at+JWT"})
    assert identity(door()[0].identify(Asking(full), NOW)).subject == SUBJECT


@pytest.mark.parametrize(
    ("granted", "wanted", "may"),
    [
        ("payment:read", "payment:read", True),
        ("payment:*", "payment:write", True),
        ("*", "payment:write", True),
        ("payment:read", "payment:write", False),
        ("pay:*", "payment:write", False),
        ("", "payment:read", False),
    ],
)
def test_scopes_are_granted_by_name_by_module_or_all(granted: str, wanted: str, may: bool) -> None:
    """The shop's own rule, so that both say the same of a token."""
    who = Identity("x", frozenset(granted.split()), 0.0, staff=True)
    assert who.may(wanted) is may


# ---------------------------------------------------------------- bad tokens

RAW = SHOP.private.public_key().public_bytes_raw()
X = base64.urlsafe_b64encode(RAW).rstrip(b"=")
BAD = {
    "another key under the same kid": (Issuer(SHOP.kid).token(), INVALID),
    "alg none": (signed({**HEAD, "alg": "none"}, CLAIMS, None), INVALID),
    "alg none, capitalised": (signed({**HEAD, "alg": "nOnE"}, CLAIMS, None), INVALID),
    "no alg": (signed(HEAD, CLAIMS, SHOP.private), INVALID),
    "alg is no string": (signed({**HEAD, "alg": ["EdDSA"]}, CLAIMS, SHOP.private), INVALID),
    "HS256 with the public key": (signed({**HEAD, "alg": "HS256"}, CLAIMS, RAW), INVALID),
    "HS256 with the JWK's x": (signed({**HEAD, "alg": "HS256"}, CLAIMS, X), INVALID),
    "a kid that nobody published": (OTHER.token(), UNKNOWN_KEY),
    "no kid": (signed({"alg": "EdDSA"}, CLAIMS, SHOP.private), UNKNOWN_KEY),
    "a kid that is no string": (SHOP.token(headers={"kid": 7}), NOT_A_JWT),
    "its own key inside": (
        Issuer("mine").token(headers={"kid": SHOP.kid, "jwk": Issuer("mine").jwk}),
        INVALID,
    ),
    "a critical header": (SHOP.token(headers={"crit": ["exp"], "exp": 1}), NOT_A_JWT),
    "an unencoded payload": (SHOP.token(headers={"crit": ["b64"], "b64": False}), NOT_A_JWT),
    "a wrong issuer": (SHOP.token(iss="https://evil.example"), INVALID),
    "an issuer with a slash more": (SHOP.token(iss=ISSUER + "/"), INVALID),
    "another audience": (SHOP.token(aud="ficus-mail"), INVALID),
    "no audience": (SHOP.token(aud=None), INVALID),
    "an audience that is an object": (SHOP.token(aud={AUDIENCE: 1}), INVALID),
    "expired": (SHOP.token(exp=int(NOW) - 5), EXPIRED),
    "not before later": (SHOP.token(nbf=int(NOW) + 6), TOO_EARLY),
    "issued later": (SHOP.token(iat=int(NOW) + 6), TOO_EARLY),
    "no expiry": (SHOP.token(exp=None), INVALID),
    "an expiry that is text": (SHOP.token(exp="2027-01-15"), INVALID),
    "an expiry that is true": (SHOP.token(exp=True), INVALID),
    "an endless expiry": (SHOP.token(exp=math.inf), INVALID),
    "no subject": (SHOP.token(sub=None), INVALID),
    "an empty subject": (SHOP.token(sub=""), INVALID),
    "a long subject": (SHOP.token(sub="x" * 256), INVALID),
    "a subject with a line end": (SHOP.token(sub="x\r\nFicus-Staff: true"), INVALID),
    "a scope with a line end": (SHOP.token(scope=["x\r\nFicus-Staff:true"]), INVALID),
    "a scope that is a number": (SHOP.token(scope=1), INVALID),
    "no jti": (SHOP.token(jti=None), INVALID),
    "an ID token's type": (SHOP.token(headers={"typ": "JWT"}), INVALID),
    "garbage in three parts": ("a.b.c", NOT_A_JWT),
    "empty parts": ("..", NOT_A_JWT),
    "an API key": ("fk_01234567_" + "x" * 43, NOT_A_JWT),
    "too long": (SHOP.token(label="x" * 4096), TOO_LONG),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_token_is_refused(what: str) -> None:
    """Each in its own way, at first sight and again from memory."""
    token, expected = BAD[what]
    guard, _ = door()
    assert guard.identify(Asking(token), NOW) is expected
    assert guard.identify(Asking(token), NOW) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Bearer", MALFORMED),
        (b"Bearer ", MALFORMED),
        (b"Bearer a b", MALFORMED),
        (b"Bearer \xff.\xff.\xff", MALFORMED),
        (b'Bearer token="a.b.c"', MALFORMED),
        (f"Bearer {SHOP.token()}, Bearer {OTHER.token()}".encode(), TWICE),
        (f"Bearer {SHOP.token()}, Basic dXNlcjpwYXNz".encode(), TWICE),
        (f"Basic dXNlcjpwYXNz, Bearer {SHOP.token()}".encode(), TWICE),
        (f"Basic dXNlcjpwYXNz,bearer {SHOP.token()}".encode(), TWICE),
    ],
)
def test_a_header_that_is_not_one_token_is_refused(header: bytes, expected: Refusal) -> None:
    """Above all two of them: the upstream might believe the one that was not looked at."""
    assert door()[0].identify(Asking(header), NOW) is expected


@pytest.mark.parametrize("header", [b"Basic dXNlcjpwYXNz", b'Digest username="a", realm="b"', b""])
def test_another_scheme_is_no_credentials(header: bytes) -> None:
    """It is not ours to judge: a route that requires credentials refuses, others pass it on."""
    assert door()[0].identify(Asking(header), NOW) is None


def test_no_header_is_no_credentials() -> None:
    """Nobody asks."""
    assert door()[0].identify(Asking(), NOW) is None


def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    """Both ends of a token's life give way by ``leeway_seconds``."""
    token = SHOP.token(nbf=int(NOW), exp=int(NOW) + 60)
    for offset, kind in [(-5.1, TOO_EARLY), (-5.0, None), (64.9, None), (65.0, EXPIRED)]:
        found = door()[0].identify(Asking(token), NOW + offset)
        assert isinstance(found, Identity) if kind is None else found is kind


def test_refusals_challenge_as_rfc_6750_says() -> None:
    """No error where nothing was sent; the scopes where they are lacking."""
    assert MISSING.status == 401
    assert MISSING.headers == ((b"WWW-Authenticate", b"Bearer"),)
    assert EXPIRED.status == 401
    assert EXPIRED.headers == (
        (
            b"WWW-Authenticate",
            b'Bearer error="invalid_token", error_description="The access token has expired."',
        ),
    )
    assert (TWICE.status, TWICE.headers[0][1]) == (400, b'Bearer error="invalid_request"')
    forbidden = lacks(["payment:read", "payment:write"])
    assert (forbidden.status, forbidden.code) == (403, "forbidden")
    challenge = b'Bearer error="insufficient_scope", scope="payment:read payment:write"'
    assert forbidden.headers == ((b"WWW-Authenticate", challenge),)


@given(header=st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"Bearer " + data))
def test_no_bytes_break_it(header: bytes) -> None:
    """Whatever a client sends, the answer is nobody or a refusal."""
    assert not isinstance(door()[0].identify(Asking(header), NOW), Identity)


GOOD = SHOP.token().encode()


@run(max_examples=300)
@given(place=st.integers(0, len(GOOD) - 1), byte=st.sampled_from(b"ABCxyz019-_.=+/~"))
def test_a_token_with_one_byte_changed_is_refused(place: int, byte: int) -> None:
    """Also by an authenticator that has the good one in memory."""
    forged = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    guard, _ = door()
    identity(guard.identify(Asking(b"Bearer " + GOOD), NOW))
    found = guard.identify(Asking(b"Bearer " + forged), NOW)
    assert (found is not None and not isinstance(found, Identity)) or forged == GOOD


# ---------------------------------------------------------------- opaque credentials


def test_an_opaque_header_identifies_without_proving() -> None:
    """Its subject is a digest, the same each time; the upstream is told nothing."""
    guard, _ = door(opaque_headers=("Api-Key", "Cart-Token"))
    one = identity(guard.identify(Asking(api_key="fk_secret"), NOW))
    assert one.opaque
    assert not one.staff
    assert not one.scopes
    assert one.expires == math.inf
    assert one.lines == b""
    assert one.subject.startswith("opaque:")
    assert "secret" not in one.subject
    elsewhere, _ = door(OTHER, opaque_headers=("Api-Key",))
    assert elsewhere.identify(Asking(api_key="fk_secret"), NOW) == one
    subjects = {
        identity(guard.identify(request, NOW)).subject
        for request in (
            Asking(api_key="fk_secret"),
            Asking(api_key="fk_other"),
            Asking(cart_token="fk_secret"),
            Asking(cart_token="x" * 5000),
        )
    }
    assert len(subjects) == 4


def test_headers_that_are_not_named_are_not_looked_at() -> None:
    """By default only ``Authorization`` is a credential."""
    assert door()[0].identify(Asking(api_key="fk_secret"), NOW) is None


def test_a_token_comes_before_an_opaque_header() -> None:
    """A customer with a guest's cart is the customer; a bad token is refused, never passed over."""
    guard, _ = door(opaque_headers=("Cart-Token",))
    both = Asking(SHOP.token(), cart_token="t")
    assert identity(guard.identify(both, NOW)).subject == SUBJECT
    assert guard.identify(Asking("a.b.c", cart_token="t"), NOW) is NOT_A_JWT
    basic = Asking(b"Basic dXNlcjpwYXNz", cart_token="t")
    assert identity(guard.identify(basic, NOW)).opaque


def test_authorization_may_be_opaque_unless_it_is_a_jwt() -> None:
    """The shop takes API keys as bearer tokens too; JWTs are verified here all the same."""
    guard, _ = door(opaque_headers=("Authorization", "Api-Key"))
    assert identity(guard.identify(Asking("fk_01234567_abc"), NOW)).opaque
    assert identity(guard.identify(Asking(SHOP.token()), NOW)).subject == SUBJECT
    assert guard.identify(Asking("a.b.c"), NOW) is NOT_A_JWT
    assert guard.identify(Asking(b"Bearer a, Bearer b"), NOW) is TWICE


@pytest.mark.parametrize("scheme", [b"Basic dXNlcjpwYXNz", b'Digest username="u"', b"Token t"])
def test_only_a_bearer_is_opaque_in_authorization(scheme: bytes) -> None:
    """Basic and others are no credentials that we know, as without ``opaque_headers``."""
    guard, _ = door(opaque_headers=("Authorization", "Api-Key"))
    assert guard.identify(Asking(scheme), NOW) is None
    both = identity(guard.identify(Asking(scheme, api_key="fk_secret"), NOW))
    assert both == identity(guard.identify(Asking(api_key="fk_secret"), NOW))


# ---------------------------------------------------------------- what is remembered


def test_a_token_is_verified_once() -> None:
    """A hundred requests cost one verification, and get the same Identity."""
    guard, _ = door()
    token = SHOP.token()
    found = {id(guard.identify(Asking(token), NOW + second)) for second in range(100)}
    assert len(found) == 1
    assert guard.counts == {"verified": 1}


def test_a_remembered_token_expires_all_the_same() -> None:
    """It is remembered until the end of its leeway, and not a second longer."""
    guard, _ = door()
    request = Asking(SHOP.token(exp=int(NOW) + 60))
    identity(guard.identify(request, NOW))
    identity(guard.identify(request, NOW + 64.9))
    assert guard.identify(request, NOW + 65) is EXPIRED


def test_a_flood_of_one_bad_token_costs_one_verification_a_second() -> None:
    """A refusal is remembered for a second."""
    guard, _ = door()
    request = Asking(Issuer(SHOP.kid).token())
    for number in range(1000):
        assert guard.identify(request, NOW + number / 1000) is INVALID
    assert guard.counts == {"invalid": 1}
    guard.identify(request, NOW + 1.0)
    assert guard.counts == {"invalid": 2}


def test_bad_tokens_do_not_push_out_good_ones() -> None:
    """They are remembered apart."""
    guard, _ = door(remembered_tokens=10)
    good = Asking(SHOP.token())
    identity(guard.identify(good, NOW))
    for number in range(100):
        address = f"203.0.113.{number}"  # or its leave to be wrong would be used up
        refusal(guard.identify(Asking(SHOP.token(iss=str(number)), address=address), NOW))
    identity(guard.identify(good, NOW))
    assert guard.counts["verified"] == 1


def test_memory_is_bounded_and_keeps_who_comes_again() -> None:
    """Of more tokens than can be remembered, those in use stay."""
    guard, _ = door(remembered_tokens=20)
    regular = Asking(SHOP.token(sub="regular"))
    for number in range(100):
        identity(guard.identify(regular, NOW))
        identity(guard.identify(Asking(SHOP.token(sub=f"guest{number}")), NOW))
        assert guard.remembered <= 20
    assert guard.counts["verified"] == 101


# ---------------------------------------------------------------- forged tokens


def forged(number: int, address: str = "203.0.113.9") -> Asking:
    """One that looks right, and was signed by somebody else."""
    return Asking(FORGER.token(jti=str(number)), address=address)


FORGER = Issuer(SHOP.kid)


def test_a_flood_of_forged_tokens_is_not_looked_at() -> None:
    """Of a thousand different ones at once, so many cost a verification; the rest is 429."""
    guard, _ = door(bad_tokens_per_minute=10)
    found = [refusal(guard.identify(forged(number), NOW)).status for number in range(1000)]
    assert found == [401] * 10 + [429] * 990
    assert guard.counts == {"invalid": 10, "not_looked_at": 990}


def test_leave_to_be_wrong_comes_back_evenly() -> None:
    """Ten a minute: one every six seconds."""
    guard, _ = door(bad_tokens_per_minute=10)
    for number in range(20):
        guard.identify(forged(number), NOW)
    at = [NOW + 5, NOW + 6.1, NOW + 6.2, NOW + 12.2]
    found = [refusal(guard.identify(forged(99 + n), now)).status for n, now in enumerate(at)]
    assert found == [429, 401, 429, 401]


def test_forgers_harm_only_the_new_tokens_of_their_own_address() -> None:
    """Who is known goes on; others are not concerned. An IPv6 forger has a whole /64."""
    guard, _ = door(bad_tokens_per_minute=10)
    known = Asking(SHOP.token(), address="2001:db8::1")
    identity(guard.identify(known, NOW))
    for number in range(50):
        guard.identify(forged(number, f"2001:db8::{number:x}"), NOW)
    identity(guard.identify(known, NOW))
    new = SHOP.token(sub="new")
    assert refusal(guard.identify(Asking(new, address="2001:db8::2"), NOW)).status == 429
    identity(guard.identify(Asking(new, address="2001:db8:1::2"), NOW))


def test_only_forged_tokens_use_it_up() -> None:
    """Expired ones and those of an unknown key do not: that happens to honest people."""
    guard, _ = door(bad_tokens_per_minute=1)
    for number in range(20):
        assert guard.identify(Asking(SHOP.token(exp=int(NOW) - 100 - number)), NOW) is EXPIRED
        assert guard.identify(Asking(OTHER.token(jti=str(number))), NOW) is UNKNOWN_KEY
    identity(guard.identify(Asking(SHOP.token()), NOW))


def test_clients_of_a_unix_socket_are_not_told_apart_and_not_bounded() -> None:
    """They have one address for all of them: one forger would shut out everybody."""
    guard, _ = door(bad_tokens_per_minute=1)
    for number in range(5):
        assert guard.identify(forged(number, "unix"), NOW) is INVALID


@pytest.mark.parametrize("written", [b"bearer %b", b"BEARER   %b", b"Bearer  %b"])
def test_a_token_written_otherwise_is_the_same_token(written: bytes) -> None:
    """Nobody has it verified again and again by adding spaces."""
    guard, _ = door()
    token = SHOP.token()
    identity(guard.identify(Asking(token), NOW))
    identity(guard.identify(Asking(written % token.encode()), NOW))
    assert guard.counts == {"verified": 1}


def test_a_withdrawn_key_takes_its_tokens_along() -> None:
    """At the next request; the tokens of other keys stay remembered."""
    guard, source = door(SHOP, OTHER)
    leaves, stays = Asking(SHOP.token()), Asking(OTHER.token())
    identity(guard.identify(leaves, NOW))
    identity(guard.identify(stays, NOW))
    source.publish(OTHER)
    assert guard.identify(leaves, NOW) is UNKNOWN_KEY
    identity(guard.identify(stays, NOW))
    assert guard.counts == {"verified": 2, "unknown_key": 1}


def test_a_key_that_is_exchanged_under_its_kid_takes_its_tokens_along() -> None:
    """The kid alone vouches for nothing."""
    guard, source = door()
    request = Asking(SHOP.token())
    identity(guard.identify(request, NOW))
    source.publish(Issuer(SHOP.kid))
    assert guard.identify(request, NOW) is INVALID


def test_a_new_key_counts_at_once() -> None:
    """An unknown one is asked for; when it is there, an earlier refusal is forgotten."""
    guard, source = door()
    request = Asking(OTHER.token())
    assert guard.identify(request, NOW) is UNKNOWN_KEY
    assert source.asked == 1
    source.publish(SHOP, OTHER)
    identity(guard.identify(request, NOW))


def test_without_any_keys_nobody_is_called_a_liar() -> None:
    """Before the first reading of the keys the answer is 503, and is not remembered."""
    source = Published()
    guard = Authenticator(settings(), source)
    request = Asking(SHOP.token())
    assert guard.identify(request, NOW) is NO_KEYS
    assert (NO_KEYS.status, NO_KEYS.headers) == (503, ((b"Retry-After", b"1"),))
    assert source.asked == 1
    source.publish(SHOP)
    identity(guard.identify(request, NOW))
