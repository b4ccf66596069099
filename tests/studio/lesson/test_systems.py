"""The four systems are the presets of this package."""

from framefall.bench.presets import sized
from framefall.recipes.systems import SYSTEMS
from framefall.studio.lesson.examples import examples


def test_every_system_is_there_with_what_is_counted():
    shipped = examples()["physics-systems"]
    assert list(shipped) == list(SYSTEMS)
    for name, made in shipped.items():
        stages = SYSTEMS[name]().stages
        assert [stage["name"] for stage in made["stages"]] == list(stages)
        assert made["parameters"] == sum(stage["parameters"] for stage in made["stages"])
    first = shipped["sora_like"]["stages"][0]
    about = sized(SYSTEMS["sora_like"]().stages["base"].stage)
    assert (first["parameters"], first["fusion"]) == (about["parameters"], about["fusion"])
