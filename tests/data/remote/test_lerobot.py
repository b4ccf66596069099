"""LeRobot data sets, written to their published layouts, v2.1 and v3.0."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encodes import encode, textured
from shards import drawn, opened, reasons, same

from framefall.data.remote.tree import SourceError

EPISODES, FRAMES, FPS = 4, 10, 10.0
CAMERAS = ("observation.images.top", "observation.images.wrist")
TASKS = ["put the cup down", "open the drawer"]


def actions(episode: int) -> np.ndarray:
    """Two numbers a frame that tell the episode and the frame."""
    return np.stack([np.full(FRAMES, episode), np.arange(FRAMES)], 1).astype(np.float32)


def frames(episode: int, camera: int) -> list[np.ndarray]:
    return textured(FRAMES, seed=10 * camera + episode)


def rows(episode: int) -> dict[str, list[Any]]:
    return {
        "action": actions(episode).tolist(),
        "observation.state": (actions(episode) + 100).tolist(),
        "timestamp": [number / FPS for number in range(FRAMES)],
        "frame_index": list(range(FRAMES)),
        "episode_index": [episode] * FRAMES,
        "task_index": [episode % 2] * FRAMES,
    }


def info(folder: Path, version: str) -> None:
    features = {name: {"dtype": "float32", "shape": [2]} for name in ("action", "observation.state")}
    features |= {camera: {"dtype": "video", "shape": [48, 64, 3]} for camera in CAMERAS}
    (folder / "meta").mkdir(parents=True)
    about = {"codebase_version": version, "fps": FPS, "features": features, "chunks_size": 1000}
    (folder / "meta" / "info.json").write_text(json.dumps(about))


def table(path: Path, columns: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def video(path: Path, pictures: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(path, pictures, int(FPS), options={"g": "2"})


def v21(folder: Path) -> Path:
    """A file for each episode and camera."""
    info(folder, "v2.1")
    lines = [{"episode_index": e, "tasks": [TASKS[e % 2]], "length": FRAMES} for e in range(EPISODES)]
    (folder / "meta" / "episodes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for episode in range(EPISODES):
        table(folder / f"data/chunk-000/episode_{episode:06d}.parquet", rows(episode))
        for number, camera in enumerate(CAMERAS):
            video(folder / f"videos/chunk-000/{camera}/episode_{episode:06d}.mp4", frames(episode, number))
    return folder


def v30(folder: Path) -> Path:
    """Three episodes in the first file, one in the second."""
    info(folder, "v3.0")
    files = [range(3), range(3, EPISODES)]
    told: list[dict[str, Any]] = []
    for file, inside in enumerate(files):
        joined = [rows(episode) for episode in inside]
        columns = {name: [cell for one in joined for cell in one[name]] for name in joined[0]}
        table(folder / f"data/chunk-000/file-{file:03d}.parquet", columns)
        for number, camera in enumerate(CAMERAS):
            pictures = [picture for episode in inside for picture in frames(episode, number)]
            video(folder / f"videos/{camera}/chunk-000/file-{file:03d}.mp4", pictures)
        for place, episode in enumerate(inside):
            row = {"episode_index": episode, "tasks": [TASKS[episode % 2]], "length": FRAMES}
            row |= {"data/chunk_index": 0, "data/file_index": file}
            for camera in CAMERAS:
                begin = place * FRAMES / FPS
                row |= {f"videos/{camera}/chunk_index": 0, f"videos/{camera}/file_index": file}
                row |= {f"videos/{camera}/from_timestamp": begin, f"videos/{camera}/to_timestamp": begin + 1.0}
            told.append(row)
    table(folder / "meta/episodes/chunk-000/file-000.parquet", {name: [one[name] for one in told] for name in told[0]})
    return folder


@pytest.fixture(scope="module", params=[v21, v30], ids=["v2.1", "v3.0"])
def robot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("robot") / "set")


def test_each_episode_of_each_camera_is_a_clip_with_its_actions(robot: Path, tmp_path: Path) -> None:
    found = opened(robot, tmp_path / "cache", fps=FPS, scene_cuts=False)
    assert not found.report.skipped and len(found.shots) == EPISODES * len(CAMERAS)
    for shot in found.shots:
        episode, camera = int(shot.source[-10:-4]), CAMERAS.index(shot.source.split("/")[1])
        assert (shot.frames, shot.fps, shot.caption) == (FRAMES, FPS, TASKS[episode % 2])
        assert np.array_equal(shot.numbers, actions(episode))
        pixels = found.read(shot, range(FRAMES)).transpose(1, 2, 3, 0).astype(float)
        far = [
            np.abs(pixels - np.stack(frames(other, number))).mean()
            for number in range(len(CAMERAS))
            for other in range(EPISODES)
        ]
        assert int(np.argmin(far)) == camera * EPISODES + episode and sorted(far)[0] < 0.7 * sorted(far)[1]


def test_actions_follow_the_frames_that_are_kept(robot: Path, tmp_path: Path) -> None:
    found = opened(robot, tmp_path / "cache", fps=FPS / 2, scene_cuts=False)
    for shot in found.shots:
        episode = int(shot.source[-10:-4])
        assert (shot.frames, shot.fps) == (FRAMES // 2, FPS / 2)
        assert np.array_equal(shot.numbers, actions(episode)[::2])


def test_state_is_there_if_it_is_asked_for_and_other_names_are_refused(robot: Path, tmp_path: Path) -> None:
    found = opened(robot, tmp_path / "cache", fps=FPS, numbers="action,observation.state")
    shot = found.shots[0]
    assert shot.numbers.shape[1] == 4 and np.array_equal(shot.numbers[:, 2:], shot.numbers[:, :2] + 100)
    with pytest.raises(SourceError, match=r"data.numbers must be features of the data set .*, got speed"):
        opened(robot, tmp_path / "cache", numbers="action,speed")


def test_all_cameras_of_an_episode_stand_on_one_side(robot: Path, tmp_path: Path) -> None:
    found = opened(robot, tmp_path / "cache", fps=FPS, holdout=0.25)
    sides = [
        {shot.source[-10:-4] for shot in found.split(side).shots}  # type: ignore[arg-type]
        for side in ("train", "validation")
    ]
    assert len(sides[0]) == 3 and len(sides[1]) == 1 and not sides[0] & sides[1]
    assert len(found.split("validation").shots) == len(CAMERAS)


def test_both_layouts_give_the_same_clips_when_begun_in_the_middle(tmp_path: Path) -> None:
    for make in (v21, v30):
        folder = make(tmp_path / make.__name__)
        whole = drawn(opened(folder, tmp_path / "cache", fps=FPS))
        assert same(drawn(opened(folder, tmp_path / "new", fps=FPS), 2, 2), whole[4:])
        assert not same(whole[:4], whole[4:])


def test_episodes_beyond_what_is_read_of_a_file_are_said(tmp_path: Path) -> None:
    found = opened(v30(tmp_path / "set"), tmp_path / "cache", fps=FPS, max_seconds=1.5, scene_cuts=False)
    lost = f"videos/{CAMERAS[0]}/episode_000002.mp4"
    assert reasons(found)[lost] == "it begins after what is read of its file" and len(found.shots) == 6
    cut = next(shot for shot in found.shots if shot.source == f"videos/{CAMERAS[0]}/episode_000001.mp4")
    assert cut.frames == 5 and np.array_equal(cut.numbers, actions(1)[:5])


def test_what_is_damaged_is_said(tmp_path: Path) -> None:
    folder = v30(tmp_path / "set")
    (folder / "videos" / CAMERAS[1] / "chunk-000" / "file-001.mp4").unlink()
    (folder / "data" / "chunk-000" / "file-001.parquet").write_bytes(b"PAR1")
    found = opened(folder, tmp_path / "cache", fps=FPS)
    assert reasons(found) == {
        f"videos/{CAMERAS[1]}/episode_000003.mp4": f"videos/{CAMERAS[1]}/chunk-000/file-001.mp4 is not there"
    }
    assert any("episode_000003.mp4: its numbers are left out: it is no table" in note for note in found.report.notes)
    for text, sentence in (
        ('{"codebase_version": "v9"}', "must say one of the versions v2.0, v2.1, v3.0 that are read here, says v9"),
        ('{"codebase_version": "v3.0", "fps": 0, "features": {}}', "must say a positive fps"),
        ('{"codebase_version": "v3.0", "fps": 10, "features": {"action": {}}}', "a feature that is video, has action"),
        (
            '{"codebase_version": "v3.0", "fps": 10, "features": {"../\\ud800": {"dtype": "video"}}}',
            "where the video ../\ufffd",
        ),
        ("[" * 100_000, "must be JSON as LeRobot writes it"),
    ):
        (folder / "meta" / "info.json").write_text(text)
        with pytest.raises(SourceError, match=sentence):
            opened(folder, tmp_path / "cache")
