"""What to do about a failed delivery: its cause in plain words and the usual way out. Pure."""

import msgspec

from wms.events import rules


class Advice(msgspec.Struct, frozen=True):
    """`cause` says what happened, `fix` what helps."""

    cause: str
    fix: str


BY_STATUS = {
    400: Advice("The receiver cannot read the event.",
                "Show its owner payload and answer; retry when they have changed it."),
    404: Advice("There is nothing at this address.",
                "Check the URL of the endpoint with its owner, then retry."),
    405: Advice("The address does not take POST.",
                "Check the URL of the endpoint with its owner, then retry."),
    409: Advice("The receiver says this contradicts what it has.",
                "Compare both systems. If theirs is right, discard with that reason."),
    413: Advice("The event is larger than the receiver takes.",
                "Ask its owner to raise the limit, or lower the batch size; then retry."),
    415: Advice("The receiver does not take JSON there.",
                "Check the URL of the endpoint with its owner, then retry."),
    422: Advice("The receiver understood and refused the content.",
                "Most often something is missing over there (an item, a customer). Have it added, "
                "then retry; discard only when it was booked by hand."),
}  # fmt: skip
BY_CLASS = {
    rules.CONSUMER: Advice("The receiver refuses the event.",
                           "Show its owner the answer below; retry when they have changed it."),
    rules.REDIRECT: Advice("The receiver sends us to another address; redirects are not followed.",
                           "Enter the address it names as the endpoint's URL, then retry."),
    rules.AUTH: Advice("The receiver does not accept our credentials.",
                       "Check the signing key and the credentials on both sides, then resume."),
    rules.SERVER: Advice("The receiver failed while it worked on the event.",
                         "If others go through, its owner must look at this one; then retry."),
    rules.TIMEOUT: Advice("No answer came in time.",
                          "Ask its owner to answer first and work afterwards; then retry. It may "
                          "have been booked: the id stays the same, so nothing is doubled."),
    rules.NETWORK: Advice("The address could not be reached.",
                          "Check name, port and certificate; deliveries go on by themselves."),
    rules.GONE: Advice("The receiver says it is gone for good.",
                       "Ask its owner for the new address before anything is resumed."),
    rules.THROTTLED: Advice("The receiver asks us to be slower.",
                            "Nothing, as a rule: it goes on by itself. A lower rate avoids it."),
    rules.BLOCKED: Advice("The address is one that must not be called.",
                          "An admin may allow the network for this endpoint, then verify again."),
    rules.ABORTED: Advice("The receiver asked not to be sent this event again.",
                          "Ask its owner why; discard it with that reason, or retry."),
    "skipped": Advice("A person skipped what was not delivered yet.",
                      "Retry if it is wanted after all, otherwise discard."),
}  # fmt: skip
UNKNOWN = Advice("It failed.", "Look at the answers below.")
WORDS = {
    rules.OK: "delivered", rules.REDIRECT: "redirected", rules.CONSUMER: "refused",
    rules.AUTH: "not allowed", rules.SERVER: "failed there", rules.GONE: "gone",
    rules.THROTTLED: "told to wait", rules.NETWORK: "not reached", rules.TIMEOUT: "no answer",
    rules.BLOCKED: "blocked here", rules.ABORTED: "aborted", rules.DEFERRED: "deferred",
    "skipped": "skipped", "": "",
}  # fmt: skip


def advice(outcome: str, status: int) -> Advice:
    """By the answer's status where it says more than its class."""
    return BY_STATUS.get(status) or BY_CLASS.get(outcome, UNKNOWN)
