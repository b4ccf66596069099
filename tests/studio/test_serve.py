"""The process: what cannot be served is refused before anything listens."""

import socket
from pathlib import Path
from typing import Any

import pytest
from serving import TOKEN, Served

from framefall.studio.serve import serve


def refuse(tmp_path: Path, **changes: Any) -> str:
    asked: dict[str, Any] = {
        "host": "127.0.0.1", "port": 1, "token": None, "home": tmp_path, "roots": [], "models": [], "device": "cpu",
        "open_page": False, "opened": print,
    }  # fmt: skip
    with pytest.raises(ValueError) as error:
        serve(**asked | changes)
    return str(error.value)


def test_others_are_not_served_without_a_token_of_ones_own(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.org"):
        assert "needs a token of your own" in refuse(tmp_path, host=host)
    assert "a token must have at least" in refuse(tmp_path, host="0.0.0.0", token="short")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "say another with --port" in refuse(tmp_path, port=other.getsockname()[1])


def test_a_home_that_is_served_and_a_root_or_a_model_that_is_not_there_are_said(studio: Served, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "has a studio already" in refuse(tmp_path, home=studio.place.home.path, port=port, token=TOKEN)
    assert "--root must be a folder" in refuse(tmp_path, roots=[tmp_path / "nowhere"], port=port)
    assert "nowhere" in refuse(tmp_path, models=[tmp_path / "nowhere"], port=port)
