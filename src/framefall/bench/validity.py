"""Every metric against every damage and placebo: the attribution matrix."""

from typing import Any

from framefall.evaluate.certify.validity import markdown
from framefall.progress import Events, operation
from framefall.runs.evaluation.certify import as_json, certify_metrics


@operation
def validity_bench(clips: int, seed: int = 0) -> Events[dict[str, Any]]:
    """The matrix of `clips` simulated clips a scenario, as values and as a page's table."""
    certificate = yield from certify_metrics.inside(clips, seed)
    return {**as_json(certificate), "markdown": markdown(certificate.cells)}
