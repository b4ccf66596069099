import json
import re

import numpy as np
import pytest

from framefall.data.captions import Annotation, Captions, from_name


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def told(source, root=None) -> Annotation:
    """What is found about a source; the control of every test: a source with nothing beside it says its name."""
    return Captions(root or source.parent, (source,)).annotate(source)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("red_ball-003.mp4", "red ball"),
        ("0001.mp4", None),
        ("redBall.webm", "red Ball"),
        ("a.dog.runs.mov", "a dog runs"),
        ("a_dog_%04d.png", "a dog"),
        ("%d.png", None),
        ("IMG_2041.jpg", None),
        ("grüner Würfel.mp4", "grüner Würfel"),
        ("take 1", "take"),
    ],
)
def test_a_file_name_is_made_into_words(name, caption):
    assert from_name(name) == caption


def test_captions_come_from_the_first_that_has_one(tmp_path):
    source = touch(tmp_path / "red_ball.mp4")
    assert (told(source).caption, told(source).where) == ("red ball", "its name")
    touch(tmp_path / "captions.csv", b"file,caption,speed,angle,who\nred_ball.mp4,from the table,1.5,90,Ann\n")
    found = told(source)
    assert found.caption == "from the table" and found.numbers.tolist() == [1.5, 90.0]
    assert found.where == "captions.csv line 2"
    touch(tmp_path / "red_ball.txt", b"  from the text\n file ")
    assert (told(source).caption, told(source).where) == ("from the text file", "red_ball.txt")
    touch(tmp_path / "red_ball.json", json.dumps({"caption": "from json", "numbers": [[1, 2], [3, 4]]}).encode())
    found = told(source)
    assert found.caption == "from json" and found.numbers.tolist() == [[1, 2], [3, 4]]
    assert found.numbers.dtype == np.float32 and found.notes == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "red_ball.json is left out"),
        (b"[1]", "must hold an object"),
        (b"\xff\xfe", "left out"),
        (b"[" * 100_000, "left out"),
        (b'{"width": 64}', "says no caption"),
        (b'{"numbers": [1, "x"]}', "list of numbers"),
        (b'{"numbers": [[1], [1, 2]]}', "list of numbers"),
        (b'{"numbers": [NaN]}', "finite"),
        (b'{"caption": 5}', "caption must be text"),
        (b'{"numbers": []}', r"\[numbers\]"),
    ],
)
def test_a_malformed_sidecar_is_named_and_the_next_one_is_asked(tmp_path, content, reason):
    source = touch(tmp_path / "red_ball.mp4")
    touch(tmp_path / "red_ball.json", content)
    touch(tmp_path / "red_ball.txt", b"a ball")
    found = told(source)
    assert found.caption == "a ball" and found.numbers is None
    assert len(found.notes) == 1 and "red_ball.json" in found.notes[0]
    assert re.search(reason, found.notes[0])


@pytest.mark.parametrize(
    "name",
    [
        "0001.txt",
        "0001.TXT",
        "0001.caption",
        "0001.Cap",
        "0001.mp4.txt",
        "0001.mp4.TXT",
        "0001.tags",
        "caption.txt",
        "Prompt.txt",
        "../captions/0001.txt",
        "../labels/0001.mp4.txt",
    ],
)
def test_a_text_is_found_wherever_tools_put_it(tmp_path, name):
    source = touch(tmp_path / "videos" / "0001.mp4")
    touch((tmp_path / "videos" / name).resolve(), b"a lantern swings\n")
    assert told(source, tmp_path).caption == "a lantern swings"


def test_a_text_of_another_or_of_several_is_nobodys(tmp_path):
    sources = tuple(touch(tmp_path / f"{number:04d}.mp4") for number in (1, 2))
    touch(tmp_path / "0003.txt", b"of no clip")
    touch(tmp_path / "caption.txt", b"of which of them?")
    assert [Captions(tmp_path, sources).annotate(source).caption for source in sources] == [None, None]


@pytest.mark.parametrize(
    "values",
    [
        {"text": "a lantern", "width": 64},
        {"prompt": "a lantern"},
        {"Caption": "a lantern"},
        {"cap": ["a lantern", "b"]},
        {"captions": [{"idx": 1, "content": "a lantern"}]},
        {"description": "a lantern"},
        {"caption": "", "text": "a lantern"},
        "a lantern",
    ],
)
def test_json_says_the_caption_under_any_of_the_usual_keys(tmp_path, values):
    source = touch(tmp_path / "0001.mp4")
    touch(tmp_path / "0001.json", json.dumps(values).encode())
    assert told(source).caption == "a lantern" and told(source).notes == ()


def test_half_of_a_character_is_replaced_and_said(tmp_path):
    source = touch(tmp_path / "0001.mp4")
    touch(tmp_path / "0001.json", b'{"caption": "a lantern \\ud83d swings"}')
    found = told(source)
    assert found.caption == "a lantern � swings" and "0001.json: half of a character" in found.notes[0]
    touch(tmp_path / "0001.json", b'{"caption": "a lantern \\ud83d\\udd25 swings"}')  # the control: both halves
    assert told(source).caption == "a lantern 🔥 swings" and told(source).notes == ()


def test_a_table_speaks_of_the_files_below_its_folder_and_the_nearest_one_first(tmp_path):
    source, other = touch(tmp_path / "day one" / "0001.mp4"), touch(tmp_path / "day two" / "0001.mp4")
    touch(tmp_path / "captions.csv", b"file,caption\nday one/0001.mp4,far\nday two\\0001.mp4,two\n")
    touch(tmp_path / "day one" / "captions.csv", b"file,caption\n0001.mp4,near\n9999.mp4,lost\n")
    words = Captions(tmp_path, (source, other))
    assert words.annotate(source).caption == "near" and words.annotate(other).caption == "two"
    assert words.notes == ("day one/captions.csv: 1 of its 2 rows name no file that is used here, 9999.mp4 for one",)


def test_lists_of_lines_go_together(tmp_path):
    sources = tuple(touch(tmp_path / "videos" / f"{number}.mp4") for number in (1, 2))
    touch(tmp_path / "videos.txt", b"videos/1.mp4\nvideos/2.mp4\n")
    touch(tmp_path / "prompts.txt", "a lantern\na kite\n".encode("utf-16"))
    words = Captions(tmp_path, sources)
    assert [words.annotate(source).caption for source in sources] == ["a lantern", "a kite"]
    touch(tmp_path / "prompts.txt", b"a lantern\n")
    words = Captions(tmp_path, sources)
    assert words.annotate(sources[0]).caption is None
    assert "must go together line by line" in words.notes[0]


def test_frames_have_a_text_beside_their_folder_or_in_it(tmp_path):
    for number in range(3):
        touch(tmp_path / "take 1" / f"{number}.png")
    assert told(tmp_path / "take 1", tmp_path).caption == "take"
    touch(tmp_path / "take 1" / "caption.txt", b"inside")
    touch(tmp_path / "take 1" / "notes.txt", b"nothing about it")
    assert told(tmp_path / "take 1", tmp_path).caption == "inside"
    touch(tmp_path / "take 1.txt", b"beside")
    assert told(tmp_path / "take 1", tmp_path).caption == "beside"


def test_a_folder_that_is_called_frames_says_what_is_around_it(tmp_path):
    for name in ("a dog/frames", "a cat/rgb", "a bird/in rgb light"):
        for number in range(3):
            touch(tmp_path / name / f"{number}.png")
    assert told(tmp_path / "a dog" / "frames", tmp_path).caption == "a dog"
    assert told(tmp_path / "a cat" / "rgb", tmp_path).caption == "a cat"
    assert told(tmp_path / "a bird" / "in rgb light", tmp_path).caption == "in rgb light"


@pytest.mark.parametrize(
    ("source", "sidecar"), [("A.MP4", "a.txt"), ("clip.mp4", "Clip.Mp4.TXT"), ("cafe\u0301.mp4", "caf\u00e9.txt")]
)
def test_a_sidecar_may_be_written_as_another_system_writes_its_name(tmp_path, source, sidecar):
    source = touch(tmp_path / source)
    touch(tmp_path / sidecar, b"a kite rises")
    assert told(source).caption == "a kite rises"


def test_a_sidecar_of_one_of_two_names_that_are_nearly_alike_is_of_that_one(tmp_path):
    sources = tuple(touch(tmp_path / name) for name in ("Kite.mp4", "kite.mp4"))
    touch(tmp_path / "kite.txt", b"a kite rises")
    captions = Captions(tmp_path, sources)
    assert [captions.annotate(one).caption for one in sources] == ["Kite", "a kite rises"]


def test_a_row_that_may_mean_files_in_several_folders_is_nobodys_and_said(tmp_path):
    sources = tuple(touch(tmp_path / name) for name in ("a.mp4", "x/a.mp4", "x/b.mp4", "y/b.mp4", "y/c.mp4"))
    touch(tmp_path / "captions.csv", b"file,caption\na.mp4,a kite\nb.mp4,a lantern\nc.mp4,a boat\n")
    captions = Captions(tmp_path, sources)
    assert [captions.annotate(one).caption for one in sources] == ["a kite", "a", "b", "b", "a boat"]
    (note,) = captions.notes
    assert note.startswith("captions.csv: 2 of its 3 rows may mean files in several folders, a.mp4 for one")
