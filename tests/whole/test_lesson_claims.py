"""What the lesson's text says in words is so in the examples that stand beside it; with other weights it may not be."""

from typing import Any

import pytest

from framefall.studio.lesson.examples import LESSON, examples

TEXT = " ".join((LESSON / "index.html").read_text().split())
PIXELS = ("flicker", "luminance_flicker", "warp_error", "frame_consistency")


def noticed(damage: str) -> list[set[str]]:
    """By which metrics, strength by strength."""
    rows = examples()["time-damage"]["damages"][damage]
    return [{name for name, score in row["scores"].items() if score["notices"]} for row in rows]


def frames_made_together_flicker_less() -> bool:
    scenes = [one["clips"] for one in examples()["time-fusion"]["scenes"]]
    made = [{kind: clip["scores"] for kind, clip in clips.items()} for clips in scenes]
    return all(
        one["per_frame"]["flicker"] > 5 * one["fused"]["flicker"] > one["simulated"]["flicker"]
        and one["per_frame"]["frame_consistency"] < one["fused"]["frame_consistency"]
        for one in made
    )


def flicker_of_the_light_sees_all_but_the_weakest() -> bool:
    weakest, *others = noticed("flicker")
    return not weakest and all(one == {"luminance_flicker"} for one in others)


def a_still_clip_is_void() -> bool:
    scores = examples()["time-damage"]["damages"]["freeze"][-1]["scores"]
    void = all(scores[name]["value"] is None and "stillness" in scores[name]["reason"] for name in PIXELS)
    return void and scores["repeated_frames"]["notices"]


def a_large_jump_is_noticed_by_a_law_alone() -> bool:
    *smaller, largest = noticed("teleport")
    return largest == {"permanence"} and not any(one & set(PIXELS) for one in smaller)


def a_kernel_is_below_full_attention_everywhere() -> bool:
    made = examples()["attention-measured"]
    full, sparse, alone = (made["microseconds"][way] for way in ("full", "sparse", "blocks"))
    beyond = [place for place, length in enumerate(made["lengths"]) if length > made["crossing"]]
    return all(a < b for a, b in zip(sparse, full, strict=True)) and all(alone[one] < full[one] for one in beyond)


def a_blend_is_calm_and_gives_itself_away() -> bool:
    clips = {name: one["measured"] for name, one in examples()["cascade-without"]["clips"].items()}
    blend, whole = clips["base+spatial"], clips["all"]
    return blend["flicker"] < 1.3 * whole["flicker"] and blend["cadence"] > 0.5 and whole["cadence"] < 0.2


def the_saving_grows_with_size() -> bool:
    times = [row["times"] for row in examples()["cascade-planner"]["networks"]["transformer"]["rows"]]
    return times == sorted(times) and times[0] > 1


def the_model_fails_where_the_simulator_does_not() -> bool:
    scenes = examples()["physics-scenes"]["scenes"].values()
    passed = {who: [law["passes"] for one in scenes for law in one["clips"][who]["laws"].values()] for who in WHO}
    return all(passed["simulator"]) and not all(passed["model"])


def smoothness_prefers_a_lie_that_no_law_prefers() -> bool:
    made = examples()["physics-twins"]
    fooled = {name: [m for m in made["smooth"] if one["prefers"][m] == "broken"] for name, one in made["pairs"].items()}
    laws = [one["prefers"][law] for one in made["pairs"].values() for law in made["physical"]]
    return bool(fooled["linear_fall"]) and "broken" not in laws and laws.count("valid") >= 2


WHO = ("simulator", "model")
CLAIMS: dict[str, Any] = {
    "their differences are what you see as flicker": frames_made_together_flicker_less,
    "Flicker of the light sees all but the weakest": flicker_of_the_light_sees_all_but_the_weakest,
    "So a still clip voids those numbers here": a_still_clip_is_void,
    "What notices, once the jump is large, is a law about things": a_large_jump_is_noticed_by_a_law_alone,
    "is below full attention at every length that was timed": a_kernel_is_below_full_attention_everywhere,
    "A blend of two frames is nearly as calm as the whole cascade": a_blend_is_calm_and_gives_itself_away,
    "The saving grows with size": the_saving_grows_with_size,
    "so expect it to fail here": the_model_fails_where_the_simulator_does_not,
    "A measure that knows what <em>should</em> happen is not fooled": smoothness_prefers_a_lie_that_no_law_prefers,
}


@pytest.mark.parametrize("words", CLAIMS)
def test_what_the_text_says_is_so(words: str) -> None:
    assert words in TEXT and CLAIMS[words]()


def test_another_example_would_belie_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made = examples()
    changed = {**made, "time-damage": {**made["time-damage"]}}
    changed["time-damage"]["damages"] = {**made["time-damage"]["damages"]}
    changed["time-damage"]["damages"]["flicker"] = changed["time-damage"]["damages"]["teleport"]
    monkeypatch.setitem(globals(), "examples", lambda: changed)
    assert not flicker_of_the_light_sees_all_but_the_weakest()


def test_the_page_says_on_what_machine_and_clips_it_was_measured() -> None:
    for name in ("command", "machine", "commit"):
        assert f'data-from="attention-measured:{name}"' in TEXT
    diagram = (LESSON / "cascade.js").read_text()
    for name in ("command", "model", "clips", "frames"):
        assert f'"cascade-blame:{name}"' in diagram
