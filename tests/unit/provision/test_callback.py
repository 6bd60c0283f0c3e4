"""What a failure is reported as."""

from __future__ import annotations

import pytest

from lab.provision.plugins.callback.lab_events import why


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
