"""The tests mirror the package: `src/framefall/a/b.py` is tested by `tests/a/test_b.py`, and there are no others.

What is about the whole (end to end, the README, the floors) lies in `tests/whole`.
"""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STILL_WITHOUT_A_TEST = {
    "bench/test_attention_picture.py",
    "bench/test_contestants.py",
    "bench/test_layers.py",
    "bench/test_registry.py",
    "bench/test_render.py",
    "bench/test_table.py",
    "bench/test_timing.py",
    "bench/test_worker.py",
    "cascade/test_formats.py",
    "cascade/test_request.py",
    "cascade/test_tasks.py",
    "data/test_cache.py",
    "data/test_captions.py",
    "data/test_clip.py",
    "data/test_frame.py",
    "data/test_npy.py",
    "data/test_pictures.py",
    "data/test_scan.py",
    "data/test_shots.py",
    "data/test_streams.py",
    "data/test_window.py",
    "evaluate/certify/test_bands.py",
    "evaluate/certify/test_twins.py",
    "evaluate/metrics/test_gates.py",
    "evaluate/metrics/test_seen.py",
    "evaluate/sets/test_registry.py",
    "evaluate/stages/test_faults.py",
    "evaluate/test_encoders.py",
    "evaluate/worldbench/test_benchmark.py",
    "layers/test_fused_kernel.py",
    "layers/test_kernel.py",
    "layers/test_tiling.py",
    "models/test_backbone.py",
    "physics/test_appearance.py",
    "physics/test_changepoints.py",
    "physics/test_collisions.py",
    "physics/test_evidence.py",
    "physics/test_flight.py",
    "physics/test_occlusion.py",
    "physics/test_permanence.py",
    "physics/test_reference.py",
    "physics/test_segmented_paths.py",
    "physics/test_static_shapes.py",
    "physics/test_unitfree.py",
    "recipes/test_registry.py",
    "runs/test_certify.py",
    "runs/test_clip_report.py",
    "runs/test_evaluate.py",
    "runs/test_pages.py",
    "test_flow.py",
    "test_provenance.py",
    "tracking/test_association.py",
    "tracking/test_background.py",
    "tracking/test_camera.py",
    "tracking/test_colours.py",
    "tracking/test_events.py",
    "tracking/test_known_scene.py",
    "tracking/test_matte.py",
    "tracking/test_overlay.py",
    "tracking/test_point_tracks.py",
    "tracking/test_scenery.py",
    "tracking/test_shading.py",
    "tracking/test_splitting.py",
    "tracking/test_tracker.py",
    "tracking/test_tracklet.py",
    "tracking/test_trajectory.py",
    "tracking/test_working_clip.py",
    "worlds/captions/test_bins.py",
    "worlds/captions/test_grammar.py",
    "worlds/captions/test_parser.py",
    "worlds/engines/test_knot_removal.py",
    "worlds/engines/test_moving_body.py",
    "worlds/engines/test_pendulum.py",
    "worlds/engines/test_rigid_bodies.py",
    "worlds/engines/test_time_of_impact.py",
    "worlds/render/test_backdrop.py",
    "worlds/render/test_solids.py",
    "worlds/render/test_sprites.py",
    "worlds/scenarios/test_collisions.py",
    "worlds/scenarios/test_constrained.py",
    "worlds/scenarios/test_draw.py",
    "worlds/scenarios/test_flight.py",
    "worlds/scenarios/test_light.py",
    "worlds/scenarios/test_occlusions.py",
    "worlds/scenarios/test_piles.py",
    "worlds/scenarios/test_setting.py",
    "worlds/scenarios/test_solids.py",
    "worlds/test_scene.py",
    "worlds/test_shapes.py",
    "worlds/test_state.py",
    "worlds/violations/test_continuation.py",
    "worlds/violations/test_dynamics.py",
    "worlds/violations/test_events.py",
    "worlds/violations/test_objects.py",
    "worlds/violations/test_occluded.py",
}  # a list that only shrinks
STILL_WITHOUT_A_MODULE = {
    "data/test_sources.py",
    "physics/test_violations.py",
    "tracking/test_accuracy.py",
    "tracking/test_any_clip.py",
    "tracking/test_permanence.py",
}  # the same


def wanted(package: Path) -> set[str]:
    """Where the tests of each module belong, below `tests/`."""
    modules = (path.relative_to(package) for path in package.rglob("*.py") if path.stem != "__init__")
    return {path.with_name(f"test_{path.name}").as_posix() for path in modules}


def found(tests: Path) -> set[str]:
    """The test files there are, but for those about the whole."""
    files = (path.relative_to(tests) for path in tests.rglob("test_*.py"))
    return {path.as_posix() for path in files if path.parts[0] != "whole"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The names of the package's files and of the tests', without what is in them."""
    for folder in ("src/framefall", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(ROOT)).touch()
    return tmp_path


def test_every_module_has_its_tests() -> None:
    assert wanted(ROOT / "src" / "framefall") - found(ROOT / "tests") - STILL_WITHOUT_A_TEST == set()


def test_every_test_file_has_its_module() -> None:
    assert found(ROOT / "tests") - wanted(ROOT / "src" / "framefall") - STILL_WITHOUT_A_MODULE == set()


def test_a_new_module_and_a_stray_test_would_be_noticed(copy: Path) -> None:
    package, tests = copy / "src" / "framefall", copy / "tests"
    before = wanted(package) - found(tests), found(tests) - wanted(package)
    (package / "worlds" / "snow.py").touch()
    (tests / "data" / "test_misc.py").touch()
    shutil.move(tests / "layers" / "test_tokens.py", tests / "whole" / "test_tokens.py")
    assert wanted(package) - found(tests) - before[0] == {"worlds/test_snow.py", "layers/test_tokens.py"}
    assert found(tests) - wanted(package) - before[1] == {"data/test_misc.py"}


def test_files_about_the_whole_do_not_hide_a_modules_tests() -> None:
    """`tests/whole` is flat: it is no second mirror."""
    assert [path for path in (ROOT / "tests" / "whole").iterdir() if path.is_dir() and path.name != "__pycache__"] == []
