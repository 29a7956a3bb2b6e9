"""The code in docs/integration.md as it is printed there: tests run what partners copy."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs" / "integration.md"


def snippets(language: str) -> list[str]:
    """Every fenced block of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)


def python_verify() -> Any:
    """The `verify(secret, headers, body)` that the page shows."""
    names: dict[str, Any] = {}
    exec(compile(snippets("python")[0], str(DOCS), "exec"), names)
    return names["verify"]
