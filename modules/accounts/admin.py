"""Accounts' pages: users and their roles, API keys, sessions, lockouts, owed mails.

``User`` may hold millions of rows: search is by the beginning of the address, which the unique
index serves. Roles are fixed (see bootstrap.py): who belongs to which is decided by managers.
"""

from __future__ import annotations

from typing import Any, ClassVar

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, AuthenticationForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from modules.accounts import api_keys, customers, passwords, sessions
from modules.accounts.contract import AccountsError, NotAboveYou
from modules.accounts.domain import normal_email
from modules.accounts.models import ApiKey, LoginSession, MailIntent, SavedAddressRow, User
from modules.accounts.tokens import scopes_of, utc_now
from modules.platform.backoffice.admin import ModuleAdmin, ReadOnlyInline, use_case
from modules.platform.contracts import Actor, ActorKind


class EmailLoginForm(AuthenticationForm):
    """Log-in by e-mail; one spelling, so that a lockout cannot be walked around."""

    def clean_username(self) -> str:
        return normal_email(self.cleaned_data["username"])


admin.site.login_form = EmailLoginForm


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new account with a password."""

    password = forms.CharField(widget=UnfoldAdminPasswordWidget)

    class Meta:
        model = User
        fields = ("email", "full_name", "locale", "is_staff")
        widgets: ClassVar[dict[str, Any]] = {
            "email": UnfoldAdminTextInputWidget,
            "full_name": UnfoldAdminTextInputWidget,
            "locale": UnfoldAdminTextInputWidget,
        }

    def clean_email(self) -> str:
        return normal_email(self.cleaned_data["email"])

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        try:
            passwords.validate(password, user=self.instance)
        except AccountsError as error:
            raise forms.ValidationError(error.sentence()) from error
        return password

    def save(self, commit: bool = True) -> User:
        self.instance.set_password(self.cleaned_data["password"])
        user: User = super().save(commit)
        return user


class AddressInline(ReadOnlyInline):
    """The address book."""

    model = SavedAddressRow
    fields = ("label", "name", "line1", "city", "country", "default_shipping", "default_billing")
    readonly_fields = fields


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModuleAdmin):  # type: ignore[misc,type-arg]
    """Customers and staff."""

    editable = True
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "full_name", "is_active", "is_staff", "created_at")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email__startswith", "full_name")
    ordering = ("-id",)
    filter_horizontal = ("groups",)
    readonly_fields = ("email", "is_active", "email_verified_at", "created_at", "last_login")
    inlines = (AddressInline,)
    actions = ("deactivate", "reactivate", "end_sessions")
    fieldsets = (
        (None, {"fields": ("email", "password", "full_name", "locale")}),
        ("State", {"fields": ("is_active", "email_verified_at", "created_at", "last_login")}),
        ("Staff", {"fields": ("is_staff", "is_superuser", "groups")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "password", "full_name", "locale", "is_staff")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Roles are given by managers of accounts, superusers made by superusers."""
        fields = tuple(super().get_readonly_fields(request, obj)) if obj else ()
        if not request.user.is_superuser:
            fields += ("is_superuser",)
        if not request.user.has_perm("accounts.add_user"):
            fields += ("is_staff", "groups")
        return fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody but a superuser touches a superuser."""
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Orders point at accounts: they are deactivated, never deleted."""
        return False

    @use_case("Deactivate", permission="change")
    def deactivate(self, request: HttpRequest, row: User, reason: str) -> str:
        _refuse_above(request, row)
        customers.deactivate(user_id=row.pk, now=utc_now())
        return "is deactivated and logged out"

    @use_case("Reactivate", permission="change")
    def reactivate(self, request: HttpRequest, row: User, reason: str) -> str:
        _refuse_above(request, row)
        customers.reactivate(user_id=row.pk)
        return "may log in again"

    @use_case("End all sessions", permission="change")
    def end_sessions(self, request: HttpRequest, row: User, reason: str) -> str:
        _refuse_above(request, row)
        ended = sessions.end_all(user_id=row.pk, reason=f"by staff: {reason}", now=utc_now())
        return f"{ended} sessions ended"


def _refuse_above(request: HttpRequest, row: User) -> None:
    if row.is_superuser and not getattr(request.user, "is_superuser", False):
        raise NotAboveYou


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ModuleAdmin):
    """Roles, one per module and level; made by bootstrap, read only."""

    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)


class NewApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a new key may do."""

    class Meta:
        model = ApiKey
        fields = ("label", "scopes", "expires_at")


@admin.register(ApiKey)
class ApiKeyAdmin(ModuleAdmin):
    """API keys. The key itself is shown once, when it is made."""

    form = NewApiKeyForm
    list_display = ("label", "prefix", "shown_scopes", "expires_at", "revoked_at", "last_used_at")
    search_fields = ("label", "prefix")
    ordering = ("-id",)
    actions = ("revoke",)
    fields = ("label", "scopes", "expires_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.add_apikey"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("prefix", "created_by", "created_at", "revoked_at", "revoked_reason")
        return (*self.fields, *shown, "last_used_at") if obj else self.fields

    @admin.display(description="scopes")
    def shown_scopes(self, row: ApiKey) -> str:
        return " ".join(row.scopes)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make the key through its use case; the row that the admin logs is that one."""
        user = request.user
        assert isinstance(user, User)  # noqa: S101
        creator = Actor(
            kind=ActorKind.STAFF, id=str(user.pk), scopes=scopes_of(user), label=user.email
        )
        row, key = api_keys.create(
            label=obj.label,
            scopes=frozenset(obj.scopes),
            expires_at=obj.expires_at,
            creator=creator,
        )
        for field in row._meta.concrete_fields:
            setattr(obj, field.attname, getattr(row, field.attname))
        messages.warning(request, f"Copy the key now, it is not shown again: {key}")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The form knows who asks, to refuse scopes that they do not have."""
        form = super().get_form(request, obj, **kwargs)
        user = request.user
        granted = scopes_of(user) if isinstance(user, User) else frozenset()

        class Form(form):  # type: ignore[misc,valid-type]
            def clean_scopes(self) -> list[str]:
                scopes: list[str] = self.cleaned_data["scopes"]
                try:
                    api_keys.check_scopes(frozenset(scopes), granted=granted)
                except AccountsError as error:
                    raise forms.ValidationError(error.sentence()) from error
                return scopes

        return Form

    @use_case("Revoke", permission="change_key")
    def revoke(self, request: HttpRequest, row: ApiKey, reason: str) -> str:
        api_keys.revoke(key_id=row.pk, reason=reason, now=utc_now())
        return "is revoked"

    def has_change_key_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.change_apikey"))


@admin.register(LoginSession)
class LoginSessionAdmin(ModuleAdmin):
    """Who is logged in where."""

    list_display = ("user", "ip_address", "user_agent", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("user__email__startswith",)
    ordering = ("-id",)


@admin.register(MailIntent)
class MailIntentAdmin(ModuleAdmin):
    """Mails notification has not taken yet, and those it took this week."""

    list_display = ("user", "kind", "created_at", "taken_at", "dropped_at", "attempts", "error")
    list_select_related = ("user",)
    list_filter = ("kind",)
    ordering = ("-id",)


for model in (AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class LockedOut(admin.SimpleListFilter):
    """Whether the failures reach the limit."""

    title = "locked out"
    parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        limit = settings.AXES_FAILURE_LIMIT
        match self.value():
            case "yes":
                return queryset.filter(failures_since_start__gte=limit)
            case "no":
                return queryset.filter(failures_since_start__lt=limit)
        return queryset


@admin.register(AccessAttempt)
class LockoutAdmin(ModuleAdmin):
    """Failed log-ins, of the API and of the admin; at the limit the address is locked out."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info")
    list_filter = (LockedOut,)
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    fields = ("username", "ip_address", "failures_since_start", "attempt_time", "user_agent")
    actions = ("unlock",)

    @use_case("Unlock", permission="unlock")
    def unlock(self, request: HttpRequest, row: AccessAttempt, reason: str) -> str:
        passwords.forget_failures(email=row.username, ip_address=row.ip_address)
        return "may try again"

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("axes.change_accessattempt"))
