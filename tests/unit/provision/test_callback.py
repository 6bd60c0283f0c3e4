"""What a failure is reported as, and which files are."""

from __future__ import annotations

import pytest

from lab.provision.plugins.callback.lab_events import why, written


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"msg": "no such file"}, "no such file"),
        (
            {"msg": "non-zero return code", "stderr": "bird: syntax error\n"},
            "non-zero return code\nbird: syntax error",
        ),
        ({"msg": "", "module_stderr": "Traceback"}, "Traceback"),
        ({}, ""),
    ],
)
def test_the_reason_is_the_message_and_what_the_command_said(result, reason):
    assert why(result) == reason


@pytest.mark.parametrize(
    ("action", "result", "files"),
    [
        ("ansible.builtin.template", {"dest": "/etc/hosts", "changed": True}, ("/etc/hosts",)),
        ("ansible.builtin.template", {"path": "/etc/hosts", "changed": False}, ("/etc/hosts",)),
        ("copy", {"results": [{"dest": "/a"}, {"skipped": True}, {"dest": "/b"}]}, ("/a", "/b")),
        ("unarchive", {"dest": "/usr", "files": ["lab/", "lab/x.py"]}, ("/usr/lab/x.py",)),
        ("ansible.builtin.file", {"path": "/etc/lab"}, ()),
        ("ansible.builtin.command", {"dest": "/no"}, ()),
        ("copy", {"skipped": True}, ()),
    ],
)
def test_files_are_those_whose_content_a_task_decides(action, result, files):
    assert written(action, result) == files
