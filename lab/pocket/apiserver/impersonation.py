"""Acting as somebody else (`kubectl --as`), as far as RBAC lets the real user."""

from __future__ import annotations

from collections.abc import Iterator

from multidict import CIMultiDictProxy

from lab.pocket.apiserver.authorization import Authorizer
from lab.pocket.apiserver.errors import About, StatusError, forbidden
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.users import ANONYMOUS_NAME, AUTHENTICATED, SERVICE_ACCOUNTS, UNAUTHENTICATED, User

USER, GROUP, UID = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid"
ACCOUNT_PREFIX = "system:serviceaccount:"


def impersonated(user: User, headers: CIMultiDictProxy[str], authorizer: Authorizer) -> User:
    """Return the user that a request acts as: `user` itself without impersonation headers.

    Raises:
        StatusError: 403, when `user` may not impersonate that name or one of those groups.

    """
    name, groups = headers.get(USER, ""), headers.getall(GROUP, [])
    if not name:
        if groups or UID in headers:
            raise StatusError(400, "BadRequest", "requested groups or uid to impersonate without a user")
        return user
    for info in _checks(name, groups):
        if not authorizer.allows(user, info):
            raise forbidden(About(info.resource, info.name), authorizer.refusal(user, info))
    return User(name, (*(groups or _groups_of(name)), *_authenticated(name, groups)), headers.get(UID, ""))


def _checks(name: str, groups: list[str]) -> Iterator[RequestInfo]:
    namespace, _, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
    if name.startswith(ACCOUNT_PREFIX) and account:
        yield RequestInfo("impersonate", resource="serviceaccounts", namespace=namespace, name=account)
    else:
        yield RequestInfo("impersonate", resource="users", name=name)
    for group in groups:
        yield RequestInfo("impersonate", resource="groups", name=group)


def _groups_of(name: str) -> tuple[str, ...]:
    if not name.startswith(ACCOUNT_PREFIX):
        return ()
    namespace = name.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
    return SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}"


def _authenticated(name: str, groups: list[str]) -> tuple[str, ...]:
    own = UNAUTHENTICATED if name == ANONYMOUS_NAME else AUTHENTICATED
    return () if own in groups else (own,)
