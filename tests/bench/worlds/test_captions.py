"""Clips of captions alone: what the renderer shows obeys its caption, and what shows something else does not."""

from framefall.bench.worlds.captions import DRAFTS, SAMPLES, Spoken
from framefall.evaluate.worldbench.benchmark import Protocol, cases


def test_the_right_clip_obeys_its_caption_and_another_scenes_does_not() -> None:
    large = Protocol(scenarios=("projectile",), clips=3, version=2)
    given = list(cases(large, "id"))
    right, wrong = Spoken(), Spoken()
    for case, other in zip(given, given[1:] + given[:1], strict=True):
        right.add(case, case.video)
        wrong.add(case, other.video)
    assert sum(right.columns["caption_exact"]) > sum(wrong.columns["caption_exact"])
    assert sum(right.columns["adherence"]) > sum(wrong.columns["adherence"])


def test_finished_clips_are_measured_beside_the_renderers_at_their_size(measured) -> None:
    whole = measured.scores["id"]["whole"]
    for name in ("flicker", "stutter", "sharpness"):
        assert abs(whole["references"]["renderer"][f"{name}_over_real"]["value"] - 1) < 1e-9
        assert whole[f"{name}_over_real"]["n"] == 1
    for drafts in ("one", f"best_of_{DRAFTS}"):
        assert whole[drafts]["caption_exact"]["n"] == 1 and 0 <= whole[drafts]["adherence"]["value"] <= 1
    # sharp in another scene as well, though at this size an edge is all there is within reach
    assert 0.4 < whole["references"]["nearest_training"]["sharpness_over_real"]["value"] < 1.4


def test_words_are_measured_of_references_as_of_the_model(measured) -> None:
    text = measured.scores["id"]["text"]
    assert text["references"]["renderer"]["adherence"]["value"] > text["adherence"]["value"]
    assert text["caption_exact"]["n"] == 4  # samples of one caption
    assert "stutter" in text and "gravities" in text
    best = text[f"best_of_{SAMPLES}"]
    assert best["adherence"]["n"] == 1 and best["adherence"]["value"] >= text["adherence"]["value"]


def test_of_each_captions_clips_the_best_is_kept() -> None:
    """Samples come one after another of all captions, so that those of a caption are as far apart as there are some."""
    large = Protocol(scenarios=("projectile",), clips=3, version=2)
    given = list(cases(large, "id"))
    read = Spoken()
    for turned in (given[1:] + given[:1], given):  # of other scenes, and then of its own
        for case, other in zip(given, turned, strict=True):
            read.add(case, other.video)
    best, all_of_them = read.best_of(2, 0), read.columns["adherence"]
    assert best["caption_exact"].value == 1.0 and best["adherence"].n == 3
    assert sum(all_of_them) / len(all_of_them) < best["adherence"].value  # the control
    read.ranks = [(-share, -count) for share, count in read.ranks]
    assert read.best_of(2, 0)["caption_exact"].value < 1.0  # and one that keeps the worst
