from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.machines.vagrant.reach import Reach

NOTED = {"host": "192.168.121.7", "port": None, "username": "vagrant", "private_key_path": ["/k1", "/k2"]}


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reach:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "client.json").write_text(json.dumps(NOTED))
    return Reach.read(tmp_path / "client.json", root=False)


@pytest.fixture
def with_root(reach: Reach) -> Reach:
    return replace(reach, root=True)


@pytest.mark.parametrize(
    ("user", "argv", "terminal", "words"),
    [
        ("vagrant", ["echo", "a b"], False, ["echo 'a b'"]),
        ("root", ["birdc", "show", "status"], False, ["sudo --user=root -- birdc show status"]),
        ("vagrant", [], True, []),
        ("root", [], True, ["sudo", "--login", "--user=root"]),
    ],
)
def test_words_survive_the_remote_shell(
    reach: Reach, user: str, argv: list[str], terminal: bool, words: list[str]
) -> None:
    command = reach.command(argv, user=user, terminal=terminal)
    assert command[command.index("--") + 1 :] == words
    assert ("-t" in command) is terminal


def test_each_machine_has_a_connection_of_its_own(reach: Reach) -> None:
    command = reach.command(["true"], user="vagrant", terminal=False)
    (path,) = (word.partition("=")[2] for word in command if word.startswith("-oControlPath="))
    assert path.endswith("/%C")
    assert {"-i/k1", "-i/k2", "-p22", "vagrant@192.168.121.7"} <= set(command)


def test_root_needs_no_sudo_where_the_key_lets_it_in(with_root: Reach) -> None:
    command = with_root.command(["birdc", "show", "status"], user="root", terminal=False)
    assert command[-3:] == ["root@192.168.121.7", "--", "birdc show status"]
    assert with_root.command([], user="root", terminal=True)[-2:] == ["root@192.168.121.7", "--"]
    assert with_root.command(["id"], user="vagrant", terminal=False)[-1] == "id"


@pytest.mark.parametrize(("root", "user"), [(False, "vagrant"), (True, "root")])
def test_ansible_goes_the_same_way_by_the_same_connection(reach: Reach, root: bool, user: str) -> None:
    variables = replace(reach, root=root).variables()
    assert (variables["ansible_host"], variables["ansible_port"]) == ("192.168.121.7", "22")
    assert variables["ansible_user"] == user
    assert ("ansible_become" in variables) is root
    command = replace(reach, root=root).command(["true"], user=user, terminal=False)
    (path,) = (word for word in command if word.startswith("-oControlPath="))
    assert path in shlex.split(str(variables["ansible_ssh_args"]))


@pytest.mark.parametrize("content", [None, "null", '{"host": "h"}'])
def test_a_machine_that_vagrant_did_not_describe_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "router.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(MachineError, match="router"):
        Reach.read(file, root=True)
