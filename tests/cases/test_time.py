"""Users' cases of time: frames are compared, measured and kept by when they are shown, never by their number."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cases.conftest import refused
from framefall.evaluate.metrics.fidelity import psnr
from framefall.runs.clips import read

Case = Callable[[str], Path]


def _scores(said: object) -> dict:
    assert said.code == 0, said.err  # type: ignore[attr-defined]
    return json.loads(said.out)["metrics"]  # type: ignore[attr-defined]


def test_reference_at_another_rate(case: Case, framefall: Callable) -> None:
    out = case("reference-at-another-rate")
    said = framefall("evaluate", out / "clips", "--reference", out / "reference", "--json")
    if not refused(said):
        assert _scores(said)["psnr"]["value"] < 35
    one, other = (read(out / name / "a.mp4")[0] for name in ("clips", "reference"))
    assert float(psnr(one, other)[0]) > 45  # the control: frame by number, a clip three times as fast is the same


def test_vfr_phone_clip(case: Case, framefall: Callable) -> None:
    out = case("vfr-phone-clip")
    phone, steady = (framefall("evaluate", out / name, "--json") for name in ("phone", "steady"))
    found, true = (_scores(one)["dynamic_degree"]["value"] for one in (phone, steady))
    assert 0.8 < found / true < 1.25
    assert "a.mp4 has no even rate: it is measured as it is seen at 20 frames a second" in phone.err
    assert "no even rate" not in steady.err
    naive = 0.6269  # the control: measured at 1 over the median gap, as if frames came evenly
    assert not 0.8 < naive / true < 1.25


def test_a_reference_of_variable_rate_is_aligned_in_time(case: Case, framefall: Callable) -> None:
    out = case("vfr-phone-clip")
    assert _scores(framefall("evaluate", out / "phone", "--reference", out / "steady", "--json"))["psnr"]["value"] > 35
    phone, steady = (read_by_number(out / name / "a.mp4") for name in ("phone", "steady"))
    count = min(len(phone), len(steady))
    error = np.mean((phone[:count].astype(float) - steady[:count]) ** 2)
    assert 10 * np.log10(255**2 / error) < 35  # the control


def read_by_number(path: Path) -> np.ndarray:
    from framefall.data.media.decode import decode

    return np.stack([frame.pixels for frame in decode(path)])
