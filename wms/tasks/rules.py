"""Which work fits whom, and why: kinds and roles, leases, and the published score.

A score is a sum of named parts in minutes, stored with the assignment so that a supervisor can
see why somebody got a task. The same weights stand in the claiming statement as parameters.
"""

from datetime import timedelta

from wms.errors import Conflict

ROLE_OF_KIND = {
    "putaway": "putaway",
    "pick": "picker",
    "pack": "packer",
    "load": "loader",
    "count": "counter",
    "putback": "picker",
    "replenish": "putaway",
}

LEASE = timedelta(minutes=15)
CANDIDATES = 24  # looked at per kind of work, in the order of their rank

# Minutes of score for each unit of a part.
LATENESS_HORIZON_MIN = 180  # lateness counts from this many minutes before the cutoff
LATENESS_MAX_MIN = 600
AGE_WEIGHT = 0.25  # per minute waiting
AGE_MAX_MIN = 120
TRAVEL_WEIGHT = 0.5  # lost per metre from the last scan


class WorkTaken(Conflict):
    say = "That work is no longer yours: {why}. Your next work is shown."


class StaleStep(Conflict):
    say = "That step is already done or was changed. The current step is shown."


def kinds_for(roles: frozenset[str] | set[str]) -> list[str]:
    """The kinds of work a person may be given; a supervisor may do everything."""
    if "supervisor" in roles:
        return list(ROLE_OF_KIND)
    return [kind for kind, role in ROLE_OF_KIND.items() if role in roles]
