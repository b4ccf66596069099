"""The home: its secret is its own, and stays."""

import stat
from pathlib import Path

from framefall.studio.home import Home, default_home


def test_a_home_is_for_its_user_alone_and_keeps_its_secret(tmp_path: Path) -> None:
    home = Home(tmp_path / "studio")
    home.prepare()
    token = home.token
    home.prepare()
    assert home.token == token and len(token) == 32
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.path / "secret").stat().st_mode) == 0o600
    other = Home(tmp_path / "other")
    other.prepare()
    assert other.token != token and home.keyed("folder", "a") != home.keyed("folder", "b") != home.keyed("token", "b")


def test_no_two_attempts_share_a_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert len({home.attempt("a", 1), home.attempt("a", 2), home.attempt("b", 1)}) == 3


def test_the_home_is_where_the_environment_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FRAMEFALL_STUDIO", str(tmp_path))
    assert default_home() == tmp_path
