"""The file as YAML nodes with their lines: bounded in bytes, nodes and depth before anything is built from them.

YAML is read without aliases and tags: lab.yml needs neither, and aliases are how a small file grows without end.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from lab.topology.mistakes import InvalidTopologyError, Mistake, shown

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 2_000
MAX_DEPTH: Final = 20
REMEDIES: Final = {
    "found character '\\t'": "spaces: YAML does not indent with tabs",
    "mapping values are not allowed here": "`key: value` with two spaces a level, or quotes around a text with ': '",
    "expected <block end>": "the lines of one mapping at the same indentation",
    "could not find expected ':'": "`key: value`",
}


class _RefusedError(Exception):
    """The text is not what is read here, at this line and column (from 0)."""

    def __init__(self, reason: str, *, instead: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.mistake = Mistake(path="", line=line + 1, column=column + 1, reason=reason, instead=instead)


def read(path: Path) -> yaml.Node:
    """Return the root node of the YAML document in `path`; raises InvalidTopologyError."""
    try:
        return compose(_text(path))
    except _RefusedError as error:
        raise InvalidTopologyError(str(path), (error.mistake,)) from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise _RefusedError(reason, instead="the path of a readable lab.yml") from error
    if len(data) > MAX_BYTES:
        raise _RefusedError("is larger than 1 MiB", instead="a lab of a few kilobytes")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        _refuse_at(before, "is not UTF-8 here", instead="the file in UTF-8")


def compose(text: str) -> yaml.Node:
    """Return the root node of a YAML document; raises _RefusedError."""
    try:
        loader = _BoundedLoader(text)
    except yaml.reader.ReaderError as error:
        _refuse_at(text[: error.position], "a control character", instead="printable text")
    try:
        return loader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or loader.get_mark()
        problem = error.problem or error.context or "unreadable"
        raise _refusal(mark, f"YAML syntax: {problem}", instead=_remedy(problem)) from error
    except (ValueError, OverflowError) as error:  # PyYAML on "\UFFFFFFFF" and on endless version numbers
        raise _refusal(
            loader.get_mark(), "YAML syntax: a number out of range", instead="plain text"
        ) from error
    finally:
        loader.dispose()


def _refuse_at(before: str, reason: str, *, instead: str) -> NoReturn:
    """Refuse the character that follows `before`."""
    last_line = before.rpartition("\n")[2]
    raise _RefusedError(reason, instead=instead, line=before.count("\n"), column=len(last_line))


def _refusal(mark: yaml.Mark, reason: str, *, instead: str) -> _RefusedError:
    return _RefusedError(reason, instead=instead, line=mark.line, column=mark.column)


def _remedy(problem: str) -> str:
    return next((remedy for start, remedy in REMEDIES.items() if problem.startswith(start)), "valid YAML")


class _BoundedLoader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = 0
        self._depth = 0

    def document(self) -> yaml.Node:
        """Return the only document of the stream."""
        self.get_event()  # type: ignore[no-untyped-call]  # the stream's start
        if self.check_event(yaml.StreamEndEvent):
            raise _RefusedError("the file is empty", instead="a lab, from `name:` on")
        root = self.compose_document()
        if root is None or not self.check_event(yaml.StreamEndEvent):
            mark: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _refusal(mark, "a second document", instead="one document, without `---`")
        return root

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: yaml.Mark = event.start_mark
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(mark, f"an alias, {shown(str(event.anchor))}", instead="the value itself")
        if getattr(event, "tag", None) is not None:
            raise _refusal(mark, f"a tag, {shown(str(event.tag))}", instead="the value without a tag")
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            raise _refusal(mark, "too much YAML for one lab", instead="only the keys of a lab")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node
