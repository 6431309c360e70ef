"""Registering, logging in and one's own account, over HTTP."""

from __future__ import annotations

from uuid import UUID

from axes.helpers import get_client_ip_address
from msgspec import UNSET

from modules.accounts import customers, passwords, sessions, tokens
from modules.accounts.contract import (
    CustomerNotFound,
    EmailTaken,
    LinkInvalid,
    PasswordRefused,
    SessionNotFound,
)
from modules.accounts.domain import MailKind
from modules.accounts.rest import serializers as s
from modules.accounts.rest.identity import level_time, login_problems, own_id
from modules.platform.rest.access import signed_in
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.requests import ApiRequest

WRONG_PASSWORD = {401: "accounts.invalid_credentials", 429: "accounts.login_locked"}
NO_ACCOUNT = {403: "forbidden"}


class RegisterView(ApiView):
    """New customers."""

    @operation(
        "Register",
        body=s.Registration,
        returns={201: s.Me},
        errors=(EmailTaken, PasswordRefused),
    )
    def post(self, request: ApiRequest, *, body: s.Registration) -> Answer:
        with login_problems():
            user = customers.register(
                email=body.email,
                password=body.password,
                full_name=body.full_name,
                locale=body.locale,
                now=tokens.utc_now(),
            )
        return Answer(body=s.me_of(user), status=201, version=user.version)


class TokenView(ApiView):
    """Log-in."""

    @operation(
        "Log in: an access token and a refresh token",
        body=s.Credentials,
        returns=s.TokenPair,
        problems=WRONG_PASSWORD,
    )
    def post(self, request: ApiRequest, *, body: s.Credentials) -> s.TokenPair:
        http = request._request
        with login_problems():
            user = passwords.check(http, email=body.email, password=body.password)
        pair = sessions.begin(
            user=user,
            now=tokens.utc_now(),
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
            ip_address=get_client_ip_address(http),
        )
        return s.pair_of(pair)


class TokenRefreshView(ApiView):
    """A log-in goes on. A refresh token works once; a second use ends the session."""

    @operation(
        "Refresh the tokens",
        body=s.RefreshBody,
        returns=s.TokenPair,
        problems={401: "accounts.refresh_token_invalid"},
    )
    def post(self, request: ApiRequest, *, body: s.RefreshBody) -> s.TokenPair:
        with login_problems():
            return s.pair_of(sessions.refresh(token=body.refresh, now=tokens.utc_now()))


class TokenRevokeView(ApiView):
    """Log-out."""

    @operation("Log out: end the refresh token's session", body=s.RefreshBody)
    def post(self, request: ApiRequest, *, body: s.RefreshBody) -> None:
        sessions.end(token=body.refresh, now=tokens.utc_now())


class MeView(ApiView):
    """One's own account."""

    @operation(
        "Show one's own account",
        returns=s.Me,
        access=signed_in(),
        etag=True,
        errors=(CustomerNotFound,),
        problems=NO_ACCOUNT,
    )
    def get(self, request: ApiRequest) -> Answer:
        user = customers.get(own_id(request))
        return Answer(body=s.me_of(user), version=user.version)

    @operation(
        "Change one's own account",
        body=s.ProfileChange,
        returns=s.Me,
        access=signed_in(),
        if_match="required",
        errors=(CustomerNotFound,),
        problems=NO_ACCOUNT,
    )
    def patch(self, request: ApiRequest, *, body: s.ProfileChange) -> Answer:
        user = customers.update(
            user_id=own_id(request),
            full_name=None if body.full_name is UNSET else body.full_name,
            locale=None if body.locale is UNSET else body.locale,
            expected=request.expected_version,
        )
        return Answer(body=s.me_of(user), version=user.version)


class PasswordView(ApiView):
    """One's own password. A change ends all sessions."""

    @operation(
        "Change the password",
        body=s.PasswordChange,
        access=signed_in(),
        errors=(CustomerNotFound, PasswordRefused),
        problems=WRONG_PASSWORD | NO_ACCOUNT,
    )
    def post(self, request: ApiRequest, *, body: s.PasswordChange) -> None:
        with login_problems("/new_password"):
            customers.change_password(
                request._request,
                user_id=own_id(request),
                current=body.current_password,
                new=body.new_password,
                now=tokens.utc_now(),
            )


class VerifyEmailView(ApiView):
    """Proof that the address is the customer's. Orders placed with it as a guest become theirs."""

    @operation("Verify the e-mail address", body=s.LinkToken, errors=(LinkInvalid,))
    def post(self, request: ApiRequest, *, body: s.LinkToken) -> None:
        customers.verify_email(token=body.token, now=tokens.utc_now())


class VerifyEmailResendView(ApiView):
    """The same answer in the same time, whether or not the address is known."""

    @operation("Mail the verification link again", body=s.EmailBody, returns={202: None})
    def post(self, request: ApiRequest, *, body: s.EmailBody) -> Answer:
        with level_time():
            customers.request_mail(email=body.email, kind=MailKind.VERIFY, now=tokens.utc_now())
        return Answer(status=202)


class PasswordResetView(ApiView):
    """The same answer in the same time, whether or not the address is known."""

    @operation("Mail a link to reset the password", body=s.EmailBody, returns={202: None})
    def post(self, request: ApiRequest, *, body: s.EmailBody) -> Answer:
        with level_time():
            customers.request_mail(email=body.email, kind=MailKind.RESET, now=tokens.utc_now())
        return Answer(status=202)


class PasswordResetConfirmView(ApiView):
    """Ends all sessions. The link works once."""

    @operation(
        "Reset the password", body=s.ResetConfirmation, errors=(LinkInvalid, PasswordRefused)
    )
    def post(self, request: ApiRequest, *, body: s.ResetConfirmation) -> None:
        with login_problems():
            customers.reset_password(token=body.token, password=body.password, now=tokens.utc_now())


class SessionsView(ApiView):
    """Where one is logged in."""

    @operation(
        "List one's own sessions",
        returns=Page[s.SessionView],
        access=signed_in(),
        problems=NO_ACCOUNT,
    )
    def get(self, request: ApiRequest) -> Page[s.SessionView]:
        rows = sessions.alive(user_id=own_id(request), now=tokens.utc_now())
        return Page(data=[s.session_of(row) for row in rows])


class SessionView(ApiView):
    """One log-in."""

    @operation(
        "End one of one's own sessions",
        access=signed_in(),
        errors=(SessionNotFound,),
        problems=NO_ACCOUNT,
    )
    def delete(self, request: ApiRequest, *, session_id: UUID) -> None:
        sessions.end_session(user_id=own_id(request), session_id=session_id, now=tokens.utc_now())


class JwksView(ApiView):
    """The keys that verify access tokens (RFC 7517); a new one signs at once."""

    @operation("List the public keys", returns=s.Jwks)
    def get(self, request: ApiRequest) -> Answer:
        keys = [s.Jwk(**key) for key in tokens.jwks()]
        return Answer(body=s.Jwks(keys=keys), headers={"Cache-Control": "public, max-age=300"})
