"""The served application as the contract tests have it, and the receiver of the event tests."""

from tests.contract.conftest import served
from tests.events.conftest import receiver

__all__ = ["receiver", "served"]
