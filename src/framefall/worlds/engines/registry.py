"""The engines: each turns a scene into what happens in it."""

from collections.abc import Callable

from framefall.worlds.engines import analytic, rigid_bodies
from framefall.worlds.scene import Scene
from framefall.worlds.state import StateLog

SimulationEngine = Callable[[Scene], StateLog]


def _solids(scene: Scene) -> StateLog:
    """Scenes with depth; MuJoCo is an extra and loaded only for them."""
    from framefall.worlds.engines import solids

    return solids.simulate(scene)


ENGINES: dict[str, SimulationEngine] = {
    "analytic": analytic.simulate,
    "pymunk": rigid_bodies.simulate,
    "mujoco": _solids,
}


def simulate(scene: Scene, engine: str | None = None) -> StateLog:
    """What happens in a scene, by its own engine or by another one; rounded, so that it is the same everywhere."""
    name = engine or scene.engine
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    return ENGINES[name](scene).rounded()
