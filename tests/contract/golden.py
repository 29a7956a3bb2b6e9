"""The released schemas and the command that takes additions into them.

    python -m tests.contract.golden       writes tests/contract/schemas; refuses what breaks readers

Run it after adding a type or an optional member, and commit what it wrote.
"""

import json
import sys
from pathlib import Path
from typing import Any

from wms.events.catalog import TYPES
from wms.events.compatibility import breaking
from wms.events.envelope import MAJOR
from wms.events.schemas import schema_of

FOLDER = Path(__file__).parent / "schemas"


def released() -> dict[str, dict[str, Any]]:
    """Schemas by file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def current() -> dict[str, dict[str, Any]]:
    return {f"{name}.{MAJOR}.json": json.loads(json.dumps(schema_of(name))) for name in TYPES}


def breaks() -> list[str]:
    """Everything released that changed for readers."""
    now = current()
    found = []
    for name, schema in released().items():
        if name not in now:
            found.append(f"{name}: the type is gone")
        else:
            found += [f"{name}: {what}" for what in breaking(schema, now[name])]
    return found


def main() -> int:
    broken = breaks()
    if broken:
        print("A break needs a new major of the type:", *broken, sep="\n  ")
        return 1
    FOLDER.mkdir(exist_ok=True)
    for name, schema in current().items():
        (FOLDER / name).write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
