"""The server as a whole: one a home, described by its own schema, every refusal in a sentence."""

import asyncio
from pathlib import Path

import pytest
from serving import TOKEN, Served

from framefall.studio.app import REFUSALS, create_app
from framefall.studio.security import rules


def test_every_operation_says_what_it_answers_and_how_it_refuses(studio: Served) -> None:
    schema = studio.client.get("/api/openapi.json").json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert len(operations) > 15
    for operation in operations:
        assert set(operation["responses"]) >= {str(status) for status in REFUSALS}
        assert operation["summary"] and operation["description"]
        good = [answer for status, answer in operation["responses"].items() if status < "300"]
        assert all(answer.get("content") or answer["description"] for answer in good)
    assert all(path.startswith("/api/") for path in schema["paths"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/jobs", {"kind": "dream", "request": {}}, 422),
        ("POST", "/api/jobs", {"kind": "generate", "request": {"sead": 1}}, 422),
        ("POST", "/api/jobs", {"kind": "generate", "request": {"seconds": 1, "frames": 2}}, 422),
        ("POST", "/api/jobs", {"kind": "generate", "request": {"model": "../../etc"}}, 422),
        ("POST", "/api/jobs", {"kind": "generate", "request": {"model": "nothing"}}, 404),
        ("POST", "/api/jobs", {"kind": "measure", "request": {"uploads": ["nothing"]}}, 404),
        ("POST", "/api/jobs", {"kind": "train", "request": {"folder": "nothing"}}, 404),
        ("POST", "/api/jobs", [1], 422),
        ("GET", "/api/jobs/nothing", None, 404),
        ("DELETE", "/api/jobs/nothing", None, 404),
        ("GET", "/api/files/..%2f..%2fetc%2fpasswd", None, 404),
        ("GET", "/api/nothing", None, 404),
        ("PUT", "/api/jobs", None, 405),  # without a body: the connection ends before one would be read
        ("DELETE", "/api/models/pico", None, 409),
        ("POST", "/api/complete", {"model": "pico", "prompt": "x" * 1001}, 422),
    ],
)
def test_a_refusal_is_one_sentence(studio: Served, method: str, path: str, body: object, status: int) -> None:
    answer = studio.client.request(method, path, json=body) if body is not None else studio.client.request(method, path)
    assert answer.status_code == status and list(answer.json()) == ["sentence"]
    assert answer.json()["sentence"] and "Traceback" not in answer.text and "\n" not in answer.json()["sentence"]


def test_bodies_that_are_no_json_are_refused(studio: Served) -> None:
    for content in (
        b"{",
        b"\xff\xfe",
        b'{"kind": NaN}',
        b"[" * 10_000,
        b'{"kind":"generate","request":{"seed":1e999}}',
    ):
        answer = studio.client.post("/api/jobs", content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422) and answer.json()["sentence"], content


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/jobs", "GET, POST"),
        ("/api/jobs/0123/events", "GET"),
        ("/api/models/pico", "DELETE"),
        ("/api/uploads", "GET, POST"),
        ("/", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_has_not_is_told_those_that_it_has(studio: Served, path: str, methods: str) -> None:
    for method in ("PUT", "OPTIONS", *({"DELETE", "POST"} - {*methods.split(", ")})):
        answer = studio.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods), method


def test_the_schema_says_what_is_needed_and_what_comes(studio: Served) -> None:
    schema = studio.client.get("/api/openapi.json").json()
    assert (
        schema["security"] == [{"token": []}] and schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    )
    kinds = schema["paths"]["/api/files/{id}"]["get"]["responses"]["200"]["content"]
    assert {"video/mp4", "image/png", "application/octet-stream"} <= set(kinds)


def test_a_home_has_one_server(studio: Served) -> None:
    async def begin() -> None:
        second = create_app(studio.place, rules("127.0.0.1", 1, TOKEN))
        async with second.router.lifespan_context(second):
            raise AssertionError("it has started")

    with pytest.raises(ValueError, match="has a studio already"):
        asyncio.run(begin())
    assert studio.client.get("/api/about").status_code == 200


def test_nothing_is_loaded_from_elsewhere(studio: Served) -> None:
    assert all(studio.client.get(path).status_code == 404 for path in ("/docs", "/redoc", "/openapi.json"))


def test_an_app_is_made_without_starting_anything(tmp_path: Path, studio: Served) -> None:
    assert create_app(studio.place, rules("127.0.0.1", 1, TOKEN)).openapi()["info"]["title"] == "Framefall studio"
