"""Rendered scenes for the tracker, with what is known of them and the truth in pixels."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
from torch import Tensor

from framefall.tracking.known_scene import KnownScene
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks, Trajectory
from framefall.video import from_pixels
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render.renderer import View, render
from framefall.worlds.render.visibility import hidden_shares
from framefall.worlds.scenarios.registry import draw_scene
from framefall.worlds.state import Appearance, StateLog, frame_times


@dataclass(frozen=True, eq=False)
class Shot:
    """A state log as a clip of some size."""

    log: StateLog
    size: int
    fps: float = 24.0
    frames: int = 61

    @property
    def times(self) -> np.ndarray:
        return frame_times(self.frames, self.fps)

    @property
    def camera(self) -> np.ndarray:
        """Where the view has gone, pixels, y down."""
        return self.times[:, None] * np.asarray(self.log.scene.camera.velocity) * (self.size, -self.size)

    @functools.cache  # noqa: B019 - a shot that is shared lives as long as the tests
    def video(self) -> Tensor:
        return from_pixels(render([self.log], [self.times], View(self.size, self.size)))

    @functools.cache  # noqa: B019
    def known(self) -> KnownScene:
        """What the benchmark tells the tracker: the scene without bodies and rods, the occluders, the camera."""
        scene = self.log.scene
        moving = any(scene.camera.velocity)
        bare = replace(scene, fixtures=tuple(fixture for fixture in scene.fixtures if fixture.follows is None))
        gone = {b.name: (Appearance(-1.0, b.colour, b.shape, b.radius, shown=False),) for b in scene.bodies}
        empty = replace(self.log, scene=bare, looks=gone)
        pictures = render([empty], [self.times if moving else self.times[:1]], View(self.size, self.size))
        boxes = []
        for fixture in scene.fixtures:
            if fixture.front:
                x, y = np.asarray(fixture.points).T * self.size
                boxes.append((float(x.min()), float(self.size - y.max()), float(x.max()), float(self.size - y.min())))
        return KnownScene(
            background=from_pixels(pictures),
            occluders=tuple(boxes),
            objects=len(scene.bodies),
            camera=self.camera if moving else None,
        )

    @functools.cache  # noqa: B019
    def tracks(self) -> Tracks:
        """What is found if the scene is known."""
        return track(self.video(), self.fps, scene=self.known())

    @functools.cache  # noqa: B019
    def blind(self) -> Tracks:
        """What is found if nothing is known."""
        return track(self.video(), self.fps)

    def errors(self, tracks: Tracks) -> list[float]:
        """Distances from the truth wherever an object is whole, for the tracker and in truth."""
        found: list[float] = []
        for body in self.log.tracks:
            one = self.track_of(tracks, body)
            both = one.whole & self.whole(body)[one.frames]
            found += np.linalg.norm(one.position - self.places(body)[one.frames], axis=1)[both].tolist()
        return found

    def places(self, body: str) -> np.ndarray:
        """Where a body is in each frame's picture."""
        return self.log.tracks[body].at(self.times).position * (self.size, -self.size) + (0, self.size) - self.camera

    def whole(self, body: str) -> np.ndarray:
        """In which frames all of a body is to be seen."""
        return hidden_shares(self.log, body, self.times)[0] > 0.995

    def track_of(self, tracks: Tracks, body: str) -> Trajectory:
        """The trajectory that is nearest to a body."""
        places = self.places(body)
        return min(
            tracks.objects, key=lambda one: float(np.median(np.linalg.norm(one.position - places[one.frames], axis=1)))
        )


@functools.cache
def _log(scenario: str, index: int) -> StateLog:
    return simulate(draw_scene(0, "train", scenario, index))


@functools.cache
def _shot(scenario: str, index: int, size: int, frames: int) -> Shot:
    return Shot(_log(scenario, index), size, frames=frames)


@pytest.fixture(scope="session")
def world() -> Callable[[str, int], StateLog]:
    """Scene number `index` of a scenario, simulated."""
    return _log


@pytest.fixture(scope="session")
def shoot() -> Callable[..., Shot]:
    """Its clip: `shoot(scenario, index, size)`, made and tracked once for all tests, or `shoot(log, size=size)`."""

    def make(what: str | StateLog, index: int = 0, size: int = 64, frames: int = 61) -> Shot:
        return _shot(what, index, size, frames) if isinstance(what, str) else Shot(what, size, frames=frames)

    return make


@pytest.fixture(scope="session")
def carphone(real: Path) -> Tensor:
    """One and a third seconds of real video, [1, 3, 40, 144, 176]: a man talks in a moving car."""
    with av.open(str(real / "carphone_pristine.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return from_pixels(np.stack(frames[:40])).permute(3, 0, 1, 2)[None]
