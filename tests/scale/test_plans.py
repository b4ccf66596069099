"""The plans of the two largest systems for 8, 64 and 1,024 GPUs, each with what it takes for granted."""

import json

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["imagen_video", "sora_like"])
def test_a_plan_for_many_gpus_prints_its_assumptions(recipe: str, framefall) -> None:  # type: ignore[no-untyped-def]
    hours = []
    for count in (8, 64, 1024):
        said = framefall("plan", recipe, "--machine", f"{count}xH100", "--json")
        found = json.loads(said.out)
        text = " ".join(found["assumptions"])
        for word in (
            f"{count} devices of 989 TFLOP/s",
            "of which training uses",
            "GB/s",
            "sharding=full",
            "US dollars",
        ):
            assert word in text
        assert found["machine"] == f"{count}xH100" and found["stages"]
        hours.append(sum(stage["hours"][1] for stage in found["stages"].values()))
    assert hours[0] > 4 * hours[1] > 16 * hours[2]
