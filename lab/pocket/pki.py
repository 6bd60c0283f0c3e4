"""Keys, certificates and kubeconfigs of the embedded control plane.

Everything is ECDSA P-256: a key takes a tenth of a millisecond, so a new server is ready at once. Files are laid out as
kubeadm lays them out under `pki/`; private keys are readable by their owner only and nothing existing is overwritten.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(minutes=5)
CLUSTER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_or_create_authority(directory: Path) -> Identity:
    """Return the cluster's certificate authority from `directory`, made on first use."""
    if not (directory / "ca.crt").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("kubernetes", ())
        builder = _builder(name, name, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = _key_usage(digital_signature=True, key_cert_sign=True)
        authority = Identity(builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()), key)
        _save(directory, "ca", authority)
    return _load(directory, "ca")


def load_or_create_signing_key(directory: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key that signs ServiceAccount tokens, made on first use."""
    path = directory / "sa.key"
    if not path.exists():
        write_private(path, key_pem(ec.generate_private_key(ec.SECP256R1())))
    return _load_key(path)


def server_certificate(authority: Identity, addresses: Iterable[str]) -> Identity:
    """Issue the API server's certificate for the cluster's own names and these IP addresses or host names."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in CLUSTER_NAMES]
    names += map(_general_name, dict.fromkeys(addresses))
    extensions: list[x509.ExtensionType] = [
        x509.SubjectAlternativeName(names),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    ]
    return _issue(authority, _name("kube-apiserver", ()), extensions)


def client_certificate(authority: Identity, user: str, groups: Iterable[str] = ()) -> Identity:
    """Issue a client certificate: the common name is the user, each organization a group."""
    return _issue(authority, _name(user, groups), [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])


def kubeconfig(
    *, server: str, authority: Identity, identity: Identity, user: str, cluster: str = "lab"
) -> bytes:
    """Return a kubeconfig (JSON, which is YAML) with everything inline, for one user at one server URL."""
    context = f"{user}@{cluster}"
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _base64(authority.certificate_pem),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _base64(identity.certificate_pem),
                        "client-key-data": _base64(identity.key_pem),
                    },
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
            "current-context": context,
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def write_identity(directory: Path, stem: str, identity: Identity) -> tuple[Path, Path]:
    """Write `stem`.crt and `stem`.key, and return their paths."""
    _save(directory, stem, identity)
    return directory / f"{stem}.crt", directory / f"{stem}.key"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in place of any older one, in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    scratch.replace(path)


def _issue(authority: Identity, subject: x509.Name, extensions: list[x509.ExtensionType]) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, authority.certificate.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True, key_cert_sign=False), critical=True)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(issuer_key, critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Identity(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, digital_signature: bool, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Iterable[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _load(directory: Path, stem: str) -> Identity:
    certificate = x509.load_pem_x509_certificate((directory / f"{stem}.crt").read_bytes())
    return Identity(certificate, _load_key(directory / f"{stem}.key"))


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not an elliptic curve key")
    return key


def _save(directory: Path, stem: str, identity: Identity) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / f"{stem}.key", identity.key_pem)
    (directory / f"{stem}.crt").write_bytes(identity.certificate_pem)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
