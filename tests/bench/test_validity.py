import pytest

from framefall.bench import validity
from framefall.bench.validity import validity_bench
from framefall.evaluate.certify.validity import Cell
from framefall.progress import Stepped, operation
from framefall.runs.evaluation.certify import Certificate


def test_the_matrix_is_values_and_a_pages_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix itself is tested in `runs/evaluation/test_certify.py`; here a known one."""

    @operation
    def known(clips: int, seed: int):  # type: ignore[no-untyped-def]
        yield Stepped(1, 1, "fall freeze")
        return Certificate([Cell("freeze", "flicker", 0.1, 0.0, clips, "must_detect")], clips)

    monkeypatch.setattr(validity, "certify_metrics", known)
    found = validity_bench(12, 0)
    assert found["cells"] == 1 and found["cells_out_of_band"] == ["freeze / flicker"]
    assert found["matrix"]["freeze"]["flicker"]["n"] == 12 and "**●0.10 0%**" in found["markdown"]
