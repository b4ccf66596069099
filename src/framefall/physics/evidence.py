"""What the laws are judged on: a clip's tracks, made ready once, and what is known of its scene."""

from dataclasses import dataclass

from framefall.physics.changepoints import Changepoint
from framefall.physics.paths import Path, find_paths
from framefall.physics.segmented_paths import SegmentedPath, segment_paths
from framefall.physics.truth import TrueBody, Truth
from framefall.tracking.trajectory import Tracks
from framefall.worlds.scene import Attributes

Finding = tuple[float, str]  # a value, and why it is NaN or what there is to say of it
NOTHING = float("nan")


@dataclass(frozen=True, eq=False)
class Evidence:
    """One clip. With a scene the first motions are those of its bodies, in its order."""

    tracks: Tracks
    motions: tuple[SegmentedPath, ...]
    truth: Truth | None = None
    attributes: Attributes | None = None
    version: int = 1  # of the world whose words the attributes are

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.tracks.fps

    @property
    def paths(self) -> list[Path]:
        """Where everything went."""
        return [motion.path for motion in self.motions]

    @property
    def bodies(self) -> list[tuple[TrueBody, SegmentedPath]]:
        """The scene's bodies with what was seen of them; none without a scene."""
        return list(zip(self.truth.bodies, self.motions, strict=False)) if self.truth is not None else []

    @property
    def unmatched(self) -> list[SegmentedPath]:
        """What is no body of the scene."""
        return list(self.motions[len(self.truth.bodies) :]) if self.truth is not None else []

    def changepoints(self, *kinds: str) -> list[Changepoint]:
        """The changepoints of some kinds, of all paths."""
        return [
            changepoint for motion in self.motions for changepoint in motion.changepoints if changepoint.kind in kinds
        ]


def gather(
    tracks: Tracks, truth: Truth | None = None, attributes: Attributes | None = None, version: int = 1
) -> Evidence:
    """Tracks made ready; `attributes` are what a caption states, by itself those of the scene.

    `version` is that of the world whose words they are; a scene knows its own.
    """
    if truth is not None and (tracks.frames != truth.frames or tracks.fps != truth.fps):
        raise ValueError(
            f"tracks and scene must have the same frames, got {tracks.frames} at {tracks.fps} fps and "
            f"{truth.frames} at {truth.fps} fps; project the scene to the clip's own frames"
        )
    if truth is not None and (tracks.height, tracks.width) != (truth.height, truth.width):
        raise ValueError(
            f"tracks and scene must have the same size, got {tracks.height}x{tracks.width} and "
            f"{truth.height}x{truth.width}; project the scene to the clip's own size"
        )
    motions = segment_paths(find_paths(tracks, truth), tracks.fps, truth)
    if truth is None:
        return Evidence(tracks, motions, None, attributes, version)
    return Evidence(tracks, motions, truth, attributes or truth.attributes, truth.version)
