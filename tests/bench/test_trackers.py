from framefall.bench.trackers import trackers_bench


def test_the_tracker_is_held_against_the_truth() -> None:
    found = trackers_bench(1, sizes=(48,), scenarios=("fall", "occluder"))["results"]["48"]
    assert found["pixels_away_median"] < 0.1 and found["gravity_error_percent_median"] < 2
    assert found["swaps_seen"]["value"] == 1.0 and found["swaps_seen_where_none_are"]["value"] == 0.0
