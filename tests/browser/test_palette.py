"""The palette of style.css: contrast as WCAG 2 computes it, of every pair that is used, light and dark."""

import re
from pathlib import Path

import pytest

import framefall

CSS = Path(framefall.__file__).parent / "studio" / "static" / "style.css"
TEXT, CONTROL = 4.5, 3.0  # AA: of text; of borders of controls, marks and large text
GROUNDS = ("paper", "surface", "sunken")
PAIRS = [
    *((name, ground, TEXT) for name in ("ink", "muted", "accent", "good", "warn", "bad") for ground in GROUNDS),
    *((name, ground, TEXT) for name in ("base", "tsr", "ssr") for ground in ("paper", "surface")),
    *((name, soft, TEXT) for name in ("ink", "muted") for soft in ("accent-soft", "warn-soft", "bad-soft")),
    ("accent", "accent-soft", TEXT),
    ("on-accent", "accent", TEXT),
    *(("edge", ground, CONTROL) for ground in ("paper", "surface")),
    ("accent", "line", CONTROL),  # what is done of a bar
    ("bad", "line", CONTROL),  # a mark on the time line
]


def palette(css: str) -> dict[str, tuple[str, str]]:
    """Each colour's two values: on paper, on slate."""
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)
    return {name: (light, dark) for name, light, dark in found}


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def too_weak(css: str) -> list[str]:
    """Every pair below what it must have."""
    colors = palette(css)
    return [
        f"{name} on {ground}, {scheme}: {ratio:.2f}"
        for name, ground, least in PAIRS
        for scheme, front, back in zip(("light", "dark"), colors[name], colors[ground], strict=True)
        if (ratio := contrast(front, back)) < least
    ]


def test_every_pair_of_colours_has_its_contrast() -> None:
    assert too_weak(CSS.read_text()) == []


def test_a_weaker_grey_would_be_noticed() -> None:
    weaker = re.sub(r"--muted: light-dark\(#\w+", "--muted: light-dark(#9a9a9a", CSS.read_text())
    assert [one for one in too_weak(weaker) if one.startswith("muted on surface, light")]


def test_contrast_is_as_wcag_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_all_colours_of_other_files_are_variables() -> None:
    """But for what is painted over a picture, whose colours nobody knows."""
    static = CSS.parent
    named = {path.name: re.findall(r"#[0-9a-fA-F]{3,8}\b", path.read_text()) for path in static.glob("*.css")}
    assert set(named) >= {"style.css", "studio.css"}
    assert named["studio.css"] == []
