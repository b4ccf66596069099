"""The studio's doors: the API keeps to its schema, and no other page gets through.

    python tests/batteries/studio_guard.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

COUNT requests are made up from the API's own schema, right and wrong ones; every route is asked in every foreign way.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from report import Report
from studios import tiny

from framefall.studio.security import PUBLIC, Rules


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Both promises, of one server."""
    from serving import place_of, served

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root" / "inner").mkdir(parents=True)
    with served(place_of(folder / "home", (tiny(folder),), (folder / "root",))) as studio:
        return [
            schema(studio, count, seed),
            pages(studio),
        ]


# ---------------------------------------------------------------- the schema


def schema(studio: Any, count: int, seed: int) -> Report:
    """Row 24: requests that follow the schema, and such that do not."""
    generator, broken, statuses = random.Random(seed), list[str](), Counter[int]()
    spec = studio.client.get("/api/openapi.json").json() | {"servers": [{"url": studio.url}]}
    operations = [
        (method.upper(), path, about) for path, methods in spec["paths"].items() for method, about in methods.items()
    ]
    known = _known(studio)
    without = 0
    for number in range(count):
        method, path, about = operations[number % len(operations)]
        right = generator.random() < 0.6
        request = _request(generator, spec, method, path, about, known, right)
        blind = generator.random() < 0.1
        headers = request.pop("more") | ({} if blind else {"authorization": f"Bearer {_token(studio)}"})
        try:
            answer = httpx.request(**request, headers=headers, timeout=20)
        except (httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
            broken.append(f"{method} {path}: {error!r}")
            continue
        statuses[answer.status_code] += 1
        without += blind and answer.status_code not in (401, 413, 415)
        good = str(answer.status_code) in about["responses"] and answer.status_code < 500
        refusal = answer.status_code >= 400
        if refusal and method != "HEAD":
            good &= answer.headers["content-type"].startswith("application/json") and list(answer.json()) == [
                "sentence"
            ]
        if not good or (blind and answer.status_code not in (401, 413, 415)):
            broken.append(f"{method} {request['url']}: {answer.status_code} {answer.text[:200]}")
        if number % 50 == 49:
            for job in studio.client.get("/api/jobs", params={"most": 200}).json()["jobs"]:
                if job["state"] in ("queued", "running"):
                    studio.client.post(f"/api/jobs/{job['id']}/cancel")
            known = _known(studio)
    naive = [_naive_number(text) for text in ("1e400", "x", "-1", str(2**80), "")]
    return Report(
        name="the API keeps to its schema",
        promise="No request gets a 5xx, an answer that the schema does not have, or anything without the token",
        row=24,
        tried=count,
        held=count - len(broken),
        window="accepted, so that something was done",
        hits=sum(number for status, number in statuses.items() if status < 300),
        least_hits=count // 20,
        control="a handler that takes the numbers as they come",
        control_tried=len(naive),
        control_broke=sum(naive),
        broken=tuple(broken[:20]),
        figures={"answers": dict(sorted(statuses.items())), "operations": len(operations), "served without": without},
    )


def _token(studio: Any) -> str:
    """Its token."""
    return str(studio.client.headers["authorization"]).removeprefix("Bearer ")


def _naive_number(text: str) -> bool:
    """Whether a handler that says int(text) and takes so many ends in an error of its own."""
    try:
        bytearray(min(int(text), 10))
    except (ValueError, OverflowError):
        return True
    return False


def _known(studio: Any) -> dict[str, list[str]]:
    """Ids that are there, by what they are of."""
    jobs = studio.client.get("/api/jobs").json()["jobs"]
    roots = [one["id"] for one in studio.client.get("/api/roots").json()]
    files = [file["id"] for job in jobs for file in job["outputs"]]
    models = [one["id"] for one in studio.client.get("/api/models").json() if one["origin"] == "given"]
    return {"jobs": [job["id"] for job in jobs], "folders": roots, "files": files, "models": models, "uploads": []}


def _request(
    generator: random.Random,
    spec: dict[str, Any],
    method: str,
    path: str,
    about: dict[str, Any],
    known: dict[str, list[str]],
    right: bool,
) -> dict[str, Any]:
    """What httpx is to send."""
    room = path.split("/")[2]
    ids = known.get(room) or ["0123456789abcdef"]
    odd = ["..%2f..%2fetc", "%00", "a" * 3000, "%F0%9F%98%80", "0"]
    id = generator.choice(ids if right or generator.random() < 0.5 else odd)
    request: dict[str, Any] = {"method": method, "url": f"{_base(spec)}{path.replace('{id}', id)}", "more": {}}
    query = [one for one in about.get("parameters", []) if one["in"] == "query"]
    request["params"] = {
        one["name"]: _value(generator, one["schema"], spec, right) for one in query if generator.random() < 0.5
    }
    for one in about.get("parameters", []):
        if one["in"] == "header" and generator.random() < 0.3:
            text = str(_value(generator, one["schema"], spec, right))
            request["more"][one["name"]] = text.encode("ascii", "ignore").decode().strip().replace("\n", "") or "x"
    body = about.get("requestBody")
    if path == "/api/uploads" and method == "POST":
        request["files"] = {"file": ("a.png", bytes(generator.randrange(256) for _ in range(50)))}
    elif body is not None:
        value = _value(generator, body["content"]["application/json"]["schema"], spec, right)
        text = json.dumps(_with_ids(value, known, generator)).encode()
        if not right and generator.random() < 0.2:
            text = text[: generator.randrange(len(text) + 1)]
        request["content"] = text
        request["more"]["content-type"] = "application/json"
    return request


def _base(spec: dict[str, Any]) -> str:
    """Where the server of a schema is."""
    return str(spec["servers"][0]["url"])


def _with_ids(value: Any, known: dict[str, list[str]], generator: random.Random) -> Any:
    """Names of models and folders that are there, mostly."""
    if isinstance(value, dict):
        for key in ("model", "folder"):
            if key in value and known[f"{key}s"] and generator.random() < 0.8:
                value[key] = known[f"{key}s"][0]
        return {key: _with_ids(one, known, generator) for key, one in value.items()}
    return [_with_ids(one, known, generator) for one in value] if isinstance(value, list) else value


def _value(generator: random.Random, schema: dict[str, Any], spec: dict[str, Any], right: bool, depth: int = 0) -> Any:
    """A value that fits a JSON schema, or one that nearly does."""
    if not right and generator.random() < 0.15:
        return generator.choice([None, -1, 0.5, 2**70, "", "x" * 5000, [], {}, True, "\u202e\u0000", [[[]]], {"a": {}}])
    if "$ref" in schema:
        found = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return _value(generator, found, spec, right, depth + 1)
    if one_of := schema.get("oneOf") or schema.get("anyOf"):
        return _value(generator, generator.choice(one_of), spec, right, depth + 1)
    if "const" in schema or "enum" in schema:
        return generator.choice(schema.get("enum") or [schema["const"]])
    kind = schema.get("type", "string")
    if kind == "object":
        needed = schema.get("required", [])
        return {
            name: _value(generator, one, spec, right, depth + 1)
            for name, one in schema.get("properties", {}).items()
            if name in needed or (generator.random() < 0.4 and depth < 8)
        }
    if kind == "array":
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
        return [
            _value(generator, schema["items"], spec, right, depth + 1) for _ in range(generator.randint(least, most))
        ]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = min(schema.get("maximum", schema.get("exclusiveMaximum", low + 100)), low + 50)
        value = generator.uniform(low, high)
        return int(value) if kind == "integer" else max(value, low + 0.01)
    if kind == "boolean":
        return generator.random() < 0.5
    if kind == "null":
        return None
    return "".join(generator.choice("abcdef0123") for _ in range(12))


# ---------------------------------------------------------------- other pages


def pages(studio: Any) -> Report:
    """Row 25: every route, asked in every way that another page or another name can."""
    import test_security as matrix
    from serving import routes

    before, broken, tried = matrix.state(studio), list[str](), 0
    naive = Naive(token=_token(studio))
    let_in = 0
    port = studio.client.base_url.port
    with httpx.Client(base_url=studio.url) as client:
        for method, path in [*routes(studio.app), ("POST", "/api/a-route-of-tomorrow")]:
            for what, (changes, status) in matrix.FOREIGN.items():
                if status == 401 and method in ("GET", "HEAD") and PUBLIC.fullmatch(path):
                    continue
                good = {**matrix.BEARER, "host": f"127.0.0.1:{port}"}
                all_ = {**good, **changes}
                headers = {name: value.format(port=port) for name, value in all_.items() if value is not None}
                answer = client.request(method, path, headers=headers)
                tried += 1
                let_in += naive.refusal(method, path, httpx_headers(headers)) is None
                if answer.status_code != status:
                    broken.append(f"{method} {path}, {what}: {answer.status_code}")
    if matrix.state(studio) != before:
        broken.append("something was changed in database or files")
    return Report(
        name="no other page drives the studio",
        promise="Every route refuses other hosts, other pages and whoever has no token, and nothing changes",
        row=25,
        tried=tried,
        held=tried - len(broken),
        control="a server that looks at the token alone",
        control_tried=tried,
        control_broke=let_in,
        broken=tuple(broken[:20]),
    )


class Naive(Rules):
    """Looks at the token alone."""

    def refusal(self, method: str, path: str, headers: Any) -> Any:
        """None where the token is right."""
        return None if self.is_token(headers.get("authorization", "").removeprefix("Bearer ")) else "refused"


def httpx_headers(headers: dict[str, str]) -> Any:
    """As the middleware has them."""
    from starlette.datastructures import Headers

    return Headers(headers)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(base) / "guard")
    for one in found:
        print(json.dumps(one.json(), indent=1))
    sys.exit(0 if all(one.passed for one in found) else 1)
