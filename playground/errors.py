"""The errors that a user may see: one base and its few children.

    PlaygroundError
    ├── InvalidRequest    what was asked cannot be done; nothing was sent
    │   ├── UnknownModel  no such model (near names are listed)
    │   └── UnknownPrice  no price or no token rule: refused, never treated as free
    ├── SpendingRefused   a cap, the breaker or a missing consent stopped it; nothing was sent
    │   └── CapReached    it does not fit below a cap now; calls under way may free some of it
    ├── ProviderProblem   the endpoint or the key cannot be used
    ├── PhotoProblem      a picture cannot be read, or is not safe to decode
    └── GalleryProblem    the gallery's database, files or disk

Every message is one sentence a person would say: what happened, whether money was spent (when
there could be a doubt), and what to do next. The outcome of a paid call is a value
(`playground.values.Outcome`), not an exception. Anything else that is raised is a bug.
"""

from __future__ import annotations


class PlaygroundError(Exception):
    """A failure to show to the user as it is: its text is complete and safe to print."""


class InvalidRequest(PlaygroundError):
    """What was asked cannot be done; nothing was sent and nothing was spent."""


class UnknownModel(InvalidRequest):
    """No such model is known; the message lists near names."""


class UnknownPrice(InvalidRequest):
    """A price or a token rule is missing: the amount is unknown and the call is refused."""


class SpendingRefused(PlaygroundError):
    """A cap, an unexplained overrun or a missing consent stopped a call before it was sent."""


class CapReached(SpendingRefused):
    """A call does not fit below a cap. What is held for others may yet turn out to cost less."""


class ProviderProblem(PlaygroundError):
    """The endpoint cannot be used as it is set up (key, origin, address)."""


class PhotoProblem(PlaygroundError):
    """A picture is missing, unreadable, too large or of a kind that is not decoded."""


class GalleryProblem(PlaygroundError):
    """The gallery's database, files or disk cannot do what was asked."""
