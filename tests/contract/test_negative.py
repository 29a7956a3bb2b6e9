"""What the published document forbids is refused, on the ways in for partners' documents.

Left out: files, where an empty body is a file as well, and is told so; batches, whose lines are
answered one by one.
"""

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.contract.conftest import Served
from tests.contract.test_schemathesis import document
from tests.contract.test_schemathesis import seeded as seeded

INBOUND = "^/v1/(owners|warehouses/.code./(orders|asns|locations|inventory|appointments))"
schema = schemathesis.openapi.from_dict(document)
schema.config.phases.coverage.unexpected_methods = set()


@schema.include(path_regex=INBOUND).exclude(path_regex="batch$").parametrize()
@settings(
    max_examples=6, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_what_the_document_forbids_is_refused(case: Case, seeded: Served):
    if case.meta is None or not case.meta.generation.mode.is_negative:
        return
    answer = case.call(
        base_url=seeded.url, headers={"Authorization": f"Bearer {seeded.key}"}, timeout=20
    )
    case.validate_response(answer, checks=[negative_data_rejection])
