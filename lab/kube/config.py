"""How to reach an API server and who we are: from a kubeconfig file, or from inside a pod.

Kubeconfig: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ (certificates and tokens, inline or in
files; no exec or auth-provider plugins). In a pod: the service account's mounted token, which the kubelet renews,
so it is read again every minute.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import orjson

from lab.errors import UsageError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_LIFETIME: Final = 60.0
"""Seconds that a token read from a file is used before the file is read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """An API server and our credentials for it."""

    host: str
    port: int
    path: str = ""
    """Prefix of every request path, without a slash at the end; usually empty."""
    namespace: str = "default"
    tls: ssl.SSLContext | None = None
    """None means plain TCP."""
    server_name: str = ""
    """The name that the server's certificate must carry; `host` when empty."""
    token: Callable[[], str] = str
    """Returns the bearer token of this moment, or an empty string."""


class TokenFile:
    """The token in a file, read again when what was read is older than a minute."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._token = ""
        self._read_at = float("-inf")

    def __call__(self) -> str:
        """Return the token; raises UsageError when the file cannot be read."""
        if self._clock() - self._read_at >= TOKEN_LIFETIME:
            self._token = _read(self._path).decode().strip()
            self._read_at = self._clock()
        return self._token


def load_config(kubeconfig: str = "", *, context: str = "") -> ClusterConfig:
    """Return the configuration that `kubectl` would use: the named file, $KUBECONFIG, the pod we are in, ~/.kube/config.

    Raises UsageError that names the file and what is missing in it.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    if not path and "KUBERNETES_SERVICE_HOST" in os.environ:
        return in_cluster(os.environ)
    return from_kubeconfig(Path(path or "~/.kube/config").expanduser(), context=context)


def in_cluster(environment: Mapping[str, str], *, account: Path = SERVICE_ACCOUNT) -> ClusterConfig:
    """Return the configuration of the pod's service account; raises UsageError when it is not mounted."""
    return ClusterConfig(
        host=environment["KUBERNETES_SERVICE_HOST"],
        port=int(environment.get("KUBERNETES_SERVICE_PORT", "443")),
        namespace=_read(account / "namespace").decode().strip(),
        tls=_tls(ca=_read(account / "ca.crt")),
        token=TokenFile(account / "token"),
    )


def from_kubeconfig(path: Path, *, context: str = "") -> ClusterConfig:
    """Return the configuration of `context`, or of the file's current context.

    Raises UsageError when the file, the context, or something that it refers to is missing or malformed.
    """
    document = _parse(path)
    name = context or document.get("current-context", "")
    chosen = _entry(document, "contexts", name, "context", path)
    cluster = _entry(document, "clusters", chosen.get("cluster", ""), "cluster", path)
    user = _entry(document, "users", chosen["user"], "user", path) if chosen.get("user") else {}
    if unsupported := [key for key in ("exec", "auth-provider", "username") if key in user]:
        raise UsageError(
            f"{path}: user {chosen['user']} authenticates by {unsupported[0]}, which is not supported"
        )
    url = _server(cluster, path)
    return ClusterConfig(
        host=str(url.hostname),
        port=url.port or (443 if url.scheme == "https" else 80),
        path=url.path.rstrip("/"),
        namespace=chosen.get("namespace", "default"),
        tls=_tls_of(cluster, user, path.parent) if url.scheme == "https" else None,
        server_name=cluster.get("tls-server-name", ""),
        token=_token_of(user, path.parent),
    )


def _server(cluster: Mapping[str, Any], path: Path) -> SplitResult:
    url = urlsplit(str(cluster.get("server", "")))
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise UsageError(f"{path}: server {cluster.get('server')!r} is not a URL like https://10.0.0.10:6443")
    return url


def _parse(path: Path) -> Mapping[str, Any]:
    raw = _read(path)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        document = _parse_yaml(raw, path)
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a kubeconfig file")
    return document


def _parse_yaml(raw: bytes, path: Path) -> Any:
    import yaml  # noqa: PLC0415 -- processes on nodes have JSON or service accounts and stay without PyYAML

    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: neither JSON nor YAML: {error}") from error


def _entry(document: Mapping[str, Any], section: str, name: str, kind: str, path: Path) -> Mapping[str, Any]:
    for entry in document.get(section) or ():
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(kind) or {}
            return found
    known = ", ".join(str(entry.get("name")) for entry in document.get(section) or ()) or "none"
    raise UsageError(f"{path}: no {kind} named {name!r} (there is: {known})")


def _token_of(user: Mapping[str, Any], folder: Path) -> Callable[[], str]:
    if user.get("tokenFile"):
        return TokenFile(folder / user["tokenFile"])
    token = str(user.get("token", ""))
    return lambda: token


def _tls_of(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    return _tls(
        ca=_data(cluster, "certificate-authority", folder),
        certificate=_data(user, "client-certificate", folder),
        key=_data(user, "client-key", folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
    )


def _data(section: Mapping[str, Any], field: str, folder: Path) -> bytes:
    """Return the bytes of `field`: inline as `field`-data in base64, else in the file `field` names, else none."""
    if inline := section.get(f"{field}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"kubeconfig: {field}-data is not base64: {error}") from error
    return _read(folder / section[field]) if section.get(field) else b""


def _tls(*, ca: bytes, certificate: bytes = b"", key: bytes = b"", verify: bool = True) -> ssl.SSLContext:
    # Not create_default_context: since Python 3.13 it demands X.509 extensions that kubeadm's certificates lack.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif ca:
            context.load_verify_locations(cadata=ca.decode())
        else:
            context.load_default_certs()
        if certificate:
            _load_certificate(context, certificate + b"\n" + key)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"a certificate or key for the API server cannot be used: {error}") from error
    return context


def _load_certificate(context: ssl.SSLContext, pem: bytes) -> None:
    """Load certificate and key from memory; OpenSSL wants a file, so it gets one that only we can read, briefly."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
