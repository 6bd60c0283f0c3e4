"""Write the golden files anew: `python -m tests.golden`. Then read the difference before it is committed."""

from __future__ import annotations

from tests.golden.produced import goldens

for path, produce in goldens().items():
    path.write_text(produce(), encoding="utf-8")
