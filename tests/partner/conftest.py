"""The served application, as the contract tests have it."""

from tests.contract.conftest import served

__all__ = ["served"]
