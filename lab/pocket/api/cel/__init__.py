"""CEL, the Common Expression Language, with the libraries that Kubernetes adds to it.

program = compile_expression("self.replicas <= self.max", variables=("self", "oldSelf"))
program.evaluate({"self": {"replicas": 1, "max": 2}})

Sources: the language definition (cel-spec, doc/langdef.md), cel-go's extensions and
https://kubernetes.io/docs/reference/using-api/cel/ as of v1.36. Types are found out while an expression runs;
before it runs, only names and functions that nobody declared are. Costs are not counted.
"""

from __future__ import annotations

from lab.pocket.api.cel.errors import CelError, ExpressionError
from lab.pocket.api.cel.program import Program, compile_expression
from lab.pocket.api.cel.times import parse_duration
from lab.pocket.api.cel.values import NONE, MapList, Optional, SetList

__all__ = [
    "NONE",
    "CelError",
    "ExpressionError",
    "MapList",
    "Optional",
    "Program",
    "SetList",
    "compile_expression",
    "parse_duration",
]
