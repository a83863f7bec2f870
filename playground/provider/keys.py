"""Keys that are not in the environment: the system's keyring, and a hidden prompt.

The keyring (macOS Keychain, Windows Credential Locker, Secret Service) is read with the optional
`keyring` package: `keyring set halfpenny https://api.openai.com` stores a key for that origin.
The prompt hides what is typed, in a terminal and in a notebook's kernel; nothing keeps the key
but the client that it is for. A key never passes through a widget, an output or a saved file.
"""

from __future__ import annotations

import getpass
import sys

SERVICE = "halfpenny"


def stored(origin: str) -> str | None:
    """The key that the system's keyring has for this origin, if any (and if it can be read)."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return (keyring.get_password(SERVICE, origin) or "").strip() or None
    except (keyring.errors.KeyringError, RuntimeError, OSError):
        # No keyring runs here, it is locked, or its owner said no: the same as no key.
        return None


def can_ask() -> bool:
    """Whether someone can be asked: a terminal at both ends."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def asked(origin: str) -> str | None:
    """The key that is typed at a hidden prompt; None for an empty answer."""
    prompt = f"API key for {origin} (not shown, kept only while this runs): "
    try:
        return getpass.getpass(prompt).strip() or None
    except (EOFError, NotImplementedError):
        return None
