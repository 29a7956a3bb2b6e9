"""The six kinds of refusal. Raising one rolls the transaction back; HTTP status exists in web only.

Leaves live beside the rule that raises them: a class with one sentence template (`say`) over named
facts. The class name is the stable code that devices, integrators and tests see.
"""

from typing import ClassVar


class WmsError(Exception):
    """Base of every refusal; `facts` fill the sentence and travel in the problem document."""

    say: ClassVar[str] = "Something was refused."

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(self.say.format(**facts))

    @property
    def code(self) -> str:
        return type(self).__name__


class Invalid(WmsError):
    """Malformed input that could never be right."""


class Denied(WmsError):
    """Not signed in, or the role is missing."""


class NotFound(WmsError):
    """No such thing in this warehouse."""


class Conflict(WmsError):
    """The world moved meanwhile; look again."""


class Refused(WmsError):
    """Understood, and the floor's rules say no."""


class Busy(WmsError):
    """Transient: the same request may succeed in a moment."""

    say = "The warehouse is busy for a moment. Send the same again."
