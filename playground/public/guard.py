"""What a public process may not import: everything that spends, or that opens a gallery.

The processes for strangers hold no key and no gallery, so there is nothing to spend with; this
makes a mistake (a new import somewhere below) an error at once instead of a hole one day.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ALLOWED = frozenset(
    {
        "playground",
        "playground._version",
        "playground.errors",
        "playground.money",
        "playground.public",
        "playground.publish",
        "playground.publish.boards",
        "playground.publish.database",
        "playground.publish.entries",
        "playground.publish.feeds",
        "playground.publish.query",
        "playground.publish.records",
        "playground.publish.site",
        "playground.render",
    }
)
"""Modules of this package that a public process may import, with those below `public`."""

FORBIDDEN = frozenset(
    {
        "openai",
        "httpx2",
        "keyring",
        "tiktoken",
        "genai_prices",
        "sqlalchemy",
        "fsspec",
        "psycopg",
        "pandas",
        "distributed",
        "dask",
        "boto3",
        "anthropic",
    }
)
"""Libraries that reach an API, a gallery or other machines."""


class Guard(MetaPathFinder):
    """Refuses forbidden imports before any finder is asked."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for what may be imported.

        Raises:
            ImportError: for anything else.
        """
        del path, target
        if not allowed(fullname):
            msg = f"{fullname} cannot be imported in a process for strangers"
            raise ImportError(msg)
        return None


def allowed(name: str) -> bool:
    """Whether a public process may import the module of this name."""
    top = name.partition(".")[0]
    if top == "playground":
        return name in ALLOWED or name.startswith("playground.public.")
    return top not in FORBIDDEN


def install() -> None:
    """Refuse forbidden imports from now on.

    Raises:
        ImportError: when one is loaded already: then this process must not serve strangers.
    """
    there = sorted(name for name in sys.modules if not allowed(name))
    if there:
        msg = f"{there[0]} is loaded already; a process for strangers starts without it"
        raise ImportError(msg)
    if not any(isinstance(each, Guard) for each in sys.meta_path):
        sys.meta_path.insert(0, Guard())
