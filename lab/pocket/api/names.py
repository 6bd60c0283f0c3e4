"""The grammars of names, labels and keys, with the sentences of k8s.io/apimachinery (util/validation)."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = [
    "NameRule", "config_map_key", "dns_label", "dns_subdomain", "env_name", "label_value", "path_segment",
    "percent", "port_name", "port_number", "qualified_name", "relaxed_env_name", "rfc1035_label", "search_domain", "wildcard_subdomain", "with_prefix",
]  # fmt: skip

NameRule = Callable[[str], list[str]]
"""Takes a name and returns what is wrong with it, in sentences."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_RFC1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_KEY = "[-._a-zA-Z0-9]+"
_ENV = "[-._a-zA-Z][-._a-zA-Z0-9]*"


def _said(sentence: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{sentence} ({'e.g. ' + shown if shown else ''}regex used for validation is '{pattern}')"


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _check(name: str, pattern: str, limit: int, sentence: str) -> list[str]:
    wrong = [_too_long(limit)] if len(name.encode()) > limit else []
    return wrong if re.fullmatch(pattern, name) else [*wrong, sentence]


_LABEL_SENTENCE = _said(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL, "my-name", "123-abc",
)  # fmt: skip
_SUBDOMAIN_SENTENCE = _said(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN, "example.com",
)  # fmt: skip
_SEARCH = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_SEARCH_SENTENCE = _said(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SEARCH, "example.com",
)  # fmt: skip
_WILDCARD_SENTENCE = _said(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    rf"\*\.{_SUBDOMAIN}", "*.example.com",
)  # fmt: skip
_RFC1035_SENTENCE = _said(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _RFC1035, "my-name", "abc-123",
)  # fmt: skip
_NAME_PART_SENTENCE = _said(
    "name part must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED, "MyName", "my.name", "123-abc",
)  # fmt: skip
_WHOLE_SENTENCE = _said(
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED, "MyName", "my.name", "123-abc",
)  # fmt: skip
_VALUE_SENTENCE = _said(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip
_KEY_SENTENCE = _said(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_ENV_SENTENCE = _said(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit",
    _ENV, "my.env-name", "MY_ENV.NAME", "MyEnvName1",
)  # fmt: skip


def dns_label(name: str) -> list[str]:
    """RFC 1123: names of namespaces, of ports of a Service, of containers."""
    sentence = "must not contain dots" if re.fullmatch(_SUBDOMAIN, name) else _LABEL_SENTENCE
    return _check(name, _LABEL, 63, sentence)


def dns_subdomain(name: str) -> list[str]:
    """RFC 1123: names of most kinds."""
    return _check(name, _SUBDOMAIN, 253, _SUBDOMAIN_SENTENCE)


def search_domain(name: str) -> list[str]:
    """Return what is wrong with a domain that a pod's resolver appends; underscores are allowed there."""
    return _check(name, _SEARCH, 253, _SEARCH_SENTENCE)


def wildcard_subdomain(name: str) -> list[str]:
    return _check(name, rf"\*\.{_SUBDOMAIN}", 253, _WILDCARD_SENTENCE)


def rfc1035_label(name: str) -> list[str]:
    return _check(name, _RFC1035, 63, _RFC1035_SENTENCE)


def label_value(value: str) -> list[str]:
    if len(value.encode()) > 63:
        return ["must be no more than 63 bytes"]
    return [] if re.fullmatch(_VALUE, value) else [_VALUE_SENTENCE]


def qualified_name(name: str) -> list[str]:
    """Return what is wrong with a label key: an optional DNS prefix, a slash, a name."""
    parts = name.split("/")
    if len(parts) > 2:
        return [
            f"{_WHOLE_SENTENCE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    wrong = []
    if len(parts) == 2:
        prefix = parts[0]
        wrong = (
            [f"prefix part {sentence}" for sentence in dns_subdomain(prefix)]
            if prefix
            else ["prefix part must be non-empty"]
        )
    rest = parts[-1]
    if not rest:
        wrong.append("name part must be non-empty")
    elif len(rest) > 63:
        wrong.append(f"name part {_too_long(63)}")
    if not re.fullmatch(_QUALIFIED, rest):
        wrong.append(_NAME_PART_SENTENCE)
    return wrong


def path_segment(name: str) -> list[str]:
    """Return what is wrong with a name that only has to fit into a URL, as RBAC's and custom resources' do."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def config_map_key(name: str) -> list[str]:
    wrong = _check(name, _KEY, 253, _KEY_SENTENCE)
    return wrong + _parent_directory(name)


def _parent_directory(name: str) -> list[str]:
    if name in {".", ".."}:
        return [f"must not be '{name}'"]
    return ["must not start with '..'"] if name.startswith("..") else []


def env_name(name: str) -> list[str]:
    wrong = [] if re.fullmatch(_ENV, name) else [_ENV_SENTENCE]
    return wrong + _parent_directory(name)


def relaxed_env_name(name: str) -> list[str]:
    """Return what is wrong with an environment variable's name since Kubernetes 1.32."""
    if not name:
        return ["environment variable name must be non-empty"]
    if re.fullmatch(r"[\x20-\x3c\x3e-\x7e]+", name):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    ]


def port_number(number: int) -> list[str]:
    return [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(name: str) -> list[str]:
    """Return what is wrong with an IANA service name (RFC 6335, section 5.1)."""
    checks = (
        (len(name) <= 15, "must be no more than 15 characters"),
        (
            re.fullmatch("[-a-z0-9]+", name),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (re.search("[a-z]", name), "must contain at least one letter (a-z)"),
        ("--" not in name, "must not contain consecutive hyphens"),
        (not (name.startswith("-") or name.endswith("-")) and name, "must not begin or end with a hyphen"),
    )
    return [sentence for fine, sentence in checks if not fine]


def percent(text: str) -> list[str]:
    if re.fullmatch("[0-9]+%", text):
        return []
    return [
        _said(
            "a valid percent string must be a numeric string followed by an ending '%'",
            "[0-9]+%",
            "1%",
            "93%",
        )
    ]


def with_prefix(rule: NameRule) -> NameRule:
    """Return the rule for `generateName`: a prefix may end in a dash."""
    return lambda prefix: rule(prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix)
