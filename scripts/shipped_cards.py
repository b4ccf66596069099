"""Writes the card of the shipped `pico`; its weights keep their bytes. May be run again at any time.

    python scripts/shipped_cards.py

What is in it stands in docs/log.md. `scripts/long_run.py weights` writes that of `worlds`.
"""

from dataclasses import replace
from pathlib import Path

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import shipped_clips

from framefall.cascade.about.card import Card, about
from framefall.cascade.saved.checkpoint import find, with_card
from framefall.publish import verify

PICO_SEEN = {"base": 26_400, "temporal_sr": 2_856, "spatial_sr": 4_768}  # clips, repeats included
PICO_SCORES = {  # docs/log.md: the base on its rabbit; spatial super-resolution on held-out videos
    "base": {"error_at_80_percent_noise_on_a_training_clip": 0.16},
    "temporal_sr": {},
    "spatial_sr": {"db_over_bicubic": 0.845},
}
PICO_FAILURES = {
    "base": [
        "It knows its six captions and nothing else: whatever is asked for, it makes something near one of six scenes.",
        "Its scores are of clips that it was trained on: none is held out.",
        "It moves in pairs of frames (stutter 5.4, video has 1.0), and in eights after temporal super-resolution.",
        "It was trained on the captions' states in bfloat16 and samples with those in float32.",
    ],
    "temporal_sr": [
        "It saw too few clips to learn more than the optical flow that it starts from.",
        "Of simulated falls and throws it recovers none of the sag between given frames.",
    ],
    "spatial_sr": [],
}


def pico() -> Card:
    """Six real scenes, each stage trained apart."""
    told = about(sorted(shipped_clips.CAPTIONS), shipped_clips.CAPTIONS.values())
    parts = {}
    for name, seen in PICO_SEEN.items():
        parts[name] = replace(told, seen=seen, scores=PICO_SCORES[name], failures=PICO_FAILURES[name])
    return Card(stages=parts)


def main() -> None:
    """The card into its folder."""
    folder, card = Path(find("pico")), pico()
    before = {file: digest for file, digest in verify(folder).items() if file.endswith(".safetensors")}
    with_card(folder, card)
    after = verify(folder)
    assert all(after[file] == digest for file, digest in before.items())
    print(f"{folder.name}: {', '.join(card.stages)}")


if __name__ == "__main__":
    main()
