from collections.abc import Callable
from pathlib import Path

import pytest

from framefall.cli.options import device_of, guidance_of, image_of, numbers_of, prompts_of, size_of


def test_numbers_and_sizes_are_read() -> None:
    numbers = numbers_of("1.5,-2")
    assert numbers is not None and numbers.tolist() == [[[1.5, -2.0]]] and numbers_of(None) is None
    assert size_of(None) is None and size_of("256x144") == (
        144,
        256,
    )  # width first; height first


def test_numbers_of_every_frame_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text("1,0\n0.5,0\n\n0,1\n")
    numbers = numbers_of(str(tmp_path / "actions.csv"))
    assert numbers is not None and numbers.tolist() == [[[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]]]
    (tmp_path / "odd.csv").write_text("1,0\n0.5\n")
    with pytest.raises(ValueError, match=r"as a file with such a line for each frame, all as long"):
        numbers_of(str(tmp_path / "odd.csv"))


def test_images_and_later_prompts_are_read() -> None:
    assert image_of("a.png") == ("a.png", 0.0) and image_of("a@b.png@2.5") == ("a@b.png", 2.5)
    assert image_of("me@home.png") == ("me@home.png", 0.0)
    assert prompts_of(["3 it bounces", "5.5"]) == ((3.0, "it bounces"), (5.5, None))
    with pytest.raises(ValueError, match=r"a later prompt must be given like .* and got 'soon it falls'"):
        prompts_of(["soon it falls"])


def test_guidance_is_a_scale_or_settings_by_their_names() -> None:
    assert guidance_of(None) == (None, None) and guidance_of("2.5") == ({"scale": 2.5}, None)
    settings, weaker = guidance_of(
        "scale=4,interval=0.2:0.8,threshold=99.5,oscillate=1:4,weaker=models/old,weaker_scale=2"
    )
    assert settings == {
        "scale": 4.0,
        "interval": (0.2, 0.8),
        "threshold": 99.5,
        "oscillate": (1.0, 4),
        "weaker_scale": 2.0,
    }
    assert weaker == "models/old" and guidance_of("weaker=old") == (None, "old")
    assert guidance_of("3,threshold=off,oscillate=off")[0] == {"scale": 3.0, "threshold": None, "oscillate": None}


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (numbers_of, "1,two", r"numbers must be given like 1\.5,2 or as a file .*; got '1,two'"),
        (numbers_of, "", "numbers must be given like"),
        (guidance_of, "strong", "guidance must be given like 2.5 or scale=2.5,.* and got scale=strong"),
        (guidance_of, "", "guidance must be given like"),
        (guidance_of, "scale=true", "guidance must be given like .* got scale=true"),
        (guidance_of, "scale=1:2:3", "guidance must be given like .* got scale=1:2:3"),
        (guidance_of, "scale=off", "guidance must be given like .* got scale=off"),
        (
            guidance_of,
            "strength=2",
            "a setting of guidance must be one of scale, .*, weaker_scale, .*, weaker; got 'strength'",
        ),
        (guidance_of, "2,scale=3", "a setting of guidance must be given once, got scale twice"),
        (size_of, "256", r"size must be given like 256x144, width first, and got '256'"),
        (size_of, "-4x4", "size must be given like"),
        (size_of, "axb", "size must be given like"),
        (device_of, "toaster", "device must be one this machine has, got 'toaster'; try cpu"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(read: Callable, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(text)


def test_a_device_is_one_that_this_machine_has() -> None:
    assert device_of("cpu") == "cpu" and device_of("auto") in ("cpu", "cuda")
    assert device_of(device_of("auto")) == device_of("auto")
