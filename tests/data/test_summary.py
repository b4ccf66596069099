import numpy as np

from framefall.data.folder import Folder, IngestReport, Shot, Skipped
from framefall.data.summary import MOST, as_object, listing, summary, taken

SHOTS = (
    Shot("a.mp4#0", "a.mp4", 0, 24, 48, 64, 24.0, "a lantern swings", np.array([1.5], np.float32), "a.json"),
    Shot("a.mp4#24", "a.mp4", 24, 12, 48, 64, 24.0, "a lantern swings", np.array([1.5], np.float32), "a.json"),
    Shot("b.png#0", "b.png", 0, 1, 32, 48, 24.0),
    Shot("take#0", "take", 0, 10, 48, 64, 12.0, "take", np.array([[3.0], [4.0]], np.float32), "its name"),
    Shot("c_%04d.png#0", "c_%04d.png", 0, 10, 48, 64, 12.0, "a kite", None, "captions.csv line 2"),
)


def folder(skipped=2, notes=1):
    report = IngestReport(
        ("a.mp4", "b.png", "take", "c_%04d.png"),
        tuple(Skipped(f"bad{number}.mp4", "it is empty") for number in range(skipped)),
        tuple(f"remark {number}" for number in range(notes)),
    )
    return Folder(SHOTS, report, {})


def test_each_source_is_told_with_what_it_was_taken_as():
    a, b, take, c = taken(folder())
    assert (a.kind, a.shots, a.frames, a.caption, a.numbers) == ("video", 2, 36, "a lantern swings", [1.5])
    assert (b.kind, take.kind, c.kind, take.numbers) == ("picture", "frames", "frames", [3.0])
    assert (
        str(a) == 'a.mp4: video: 36 of 64x48 at 24 a second, 1.5 s, 2 shots; "a lantern swings" (a.json); numbers 1.5'
    )
    assert str(b) == "b.png: a picture of 48x32; no caption"


def test_the_whole_is_five_lines_and_what_is_left_out():
    lines = summary("clips", folder()).splitlines()
    assert lines[:5] == [
        "clips: 4 files are used, 2 are skipped; 5 shots of 57 frames, 3 s",
        "  taken as frames (2), video (1), picture (1); sizes 64x48 (3), 48x32 (1); frames a second 12 (2), 24 (1)",
        '  captions: 3 of 4 files have one, from .json (1), its name (1), captions.csv (1); "a lantern swings" for one',
        "  numbers: 1 to condition on for 2 files",
        "  left out: 2 of what was found; 1 remark",
    ]
    assert lines[5:] == ["  skipped bad0.mp4: it is empty", "  skipped bad1.mp4: it is empty", "  note: remark 0"]


def test_a_summary_stays_short_and_a_list_is_whole():
    many = folder(skipped=10 * MOST, notes=3)
    text = summary("clips", many)
    assert len(text.splitlines()) == 5 + MOST + 1 + 3
    assert f"and {9 * MOST} more, which framefall prepare clips lists" in text
    assert len(summary("clips", many, most=None).splitlines()) == 5 + 10 * MOST + 3
    assert listing(many).splitlines() == [str(one) for one in taken(many)]
    found = as_object(many)
    assert len(found["files"]) == 4 and len(found["skipped"]) == 10 * MOST and len(found["notes"]) == 3


def test_no_captions_and_nothing_left_out_are_said_too():
    plain = Folder((SHOTS[2],), IngestReport(("b.png",)), {})
    lines = summary("clips", plain).splitlines()
    assert lines[1:] == [
        "  taken as picture (1); sizes 48x32 (1); frames a second none",
        "  captions: none of the files has one",
        "  numbers: none",
        "  left out: nothing",
    ]
