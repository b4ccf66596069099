from dataclasses import replace

import pytest

from framefall.cascade.saved.checkpoint import readme
from framefall.cascade.saved.hub_header import header


@pytest.fixture
def card(cascade):
    """What the hub's own library reads in the README of a config with other words."""
    hub = pytest.importorskip("huggingface_hub", reason="the extra framefall[hub]")
    return lambda **changes: hub.ModelCard(readme(replace(cascade.config, **changes)))


def test_the_hubs_library_reads_what_the_readme_says(card, cascade):
    found = card(trained_on=["someone/clips", "4 clips of a camera: mine/yours"])
    assert found.data.to_dict() == {
        "license": "apache-2.0",
        "library_name": "framefall",
        "pipeline_tag": "text-to-video",
        "tags": ["video", "diffusion", "cascade", "temporal-super-resolution", "video-super-resolution"],
        "datasets": ["someone/clips"],
    }
    assert found.text.lstrip().startswith("# toy") and "4 clips of a camera" in found.text


def test_a_licence_that_the_hub_has_no_id_for_is_named(card):
    said = 'ours: "ask" first\n---'
    found = card(license=said).data
    assert found.license == "other" and found.license_name == said  # a naive line would end the header here
    assert "datasets" not in found.to_dict()


def test_a_cascade_without_a_base_makes_videos_of_videos(cascade):
    stages = {name: stage for name, stage in cascade.config.stages.items() if name != "base"}
    assert "pipeline_tag: video-to-video\n" in header(replace(cascade.config, stages=stages))
