"""A hub on this machine: what `huggingface_hub`'s client asks of one over HTTP; repositories are lists of commits.

It answers what the client of 2.4 asks to list, fetch and push models: information about a revision, files by HEAD and
GET, making a repository, the two ways to upload (in the commit itself, and git LFS beside it) and commits.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

TOKEN = "hf_a_token_of_the_tests"
Files = dict[str, bytes]


@dataclass
class FakeHub:
    """Repositories by name: their commits in order, each all of its files; and what was asked."""

    address: str = ""
    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: Files = field(default_factory=dict)  # uploaded by LFS and not committed yet
    asked: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)  # of files that are said to be larger than they are

    def commit(self, name: str, files: Files, branch: str = "main") -> str:
        commits = self.repositories.setdefault(name, {})
        sha = hashlib.sha1(f"{name}{branch}{len(commits)}".encode()).hexdigest()
        commits[sha] = dict(files)
        self.branches[name, branch] = sha
        return sha

    def put(self, name: str, folder: Path, **others: bytes) -> str:
        """A commit of a folder's files, and others beside them."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.commit(name, files | others)

    def found(self, name: str, revision: str) -> tuple[str, Files] | None:
        sha = self.branches.get((name, revision), revision)
        files = self.repositories.get(name, {}).get(sha)
        return None if files is None else (sha, files)


@contextmanager
def serving() -> Iterator[FakeHub]:
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client's word that the headers came

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self._path()
        if about := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._about(about[1], about[2] or "main")
        elif tree := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", path):
            _, files = self.hub.found(tree[1], tree[2]) or ("", {})
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
            self._answer(200, listed)
        elif file := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(file[1], file[2], file[3])
        else:
            self._answer(404, {"error": path})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        path, body = self._path(), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "log in"})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name not in self.hub.repositories:
                self.hub.commit(name, {".gitattributes": b"*.safetensors filter=lfs\n"})
            self._answer(200, {"url": f"{self.hub.address}/{name}"})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.address}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            self._commit(match[1], match[2], [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": path})

    def do_PUT(self) -> None:
        path = self._path()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == f"/lfs/{hashlib.sha256(data).hexdigest()}":
            self.hub.objects[path.removeprefix("/lfs/")] = data
            self._answer(200, {})
        else:
            self._answer(400, {"error": "another hash"})

    def _path(self) -> str:
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _about(self, name: str, revision: str) -> None:
        found = self.hub.found(name, revision)
        if found is None:
            self._missing(name)
            return
        sha, files = found
        siblings = [
            {"rfilename": file, "size": self.hub.sizes.get(file, len(data))} for file, data in sorted(files.items())
        ]
        self._answer(200, {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": []})

    def _file(self, name: str, revision: str, file: str) -> None:
        found = self.hub.found(name, revision)
        if found is None:
            self._missing(name)
        elif file not in found[1]:
            self._answer(404, {"error": file}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": found[0]})
        else:
            data = found[1][file]
            etag = hashlib.sha256(data).hexdigest()
            self._answer(200, data, {"X-Repo-Commit": found[0], "ETag": f'"{etag}"'})

    def _commit(self, name: str, branch: str, lines: list[dict]) -> None:
        files = dict(self.hub.found(name, branch)[1])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        sha = self.hub.commit(name, files, branch)
        address = f"{self.hub.address}/{name}/commit/{sha}"
        self._answer(200, {"success": True, "commitUrl": address, "commitOid": sha})

    def _missing(self, name: str) -> None:
        code = "RevisionNotFound" if name in self.hub.repositories else "RepoNotFound"
        self._answer(404, {"error": name}, {"X-Error-Code": code})

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
