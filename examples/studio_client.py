"""A clip from a running studio: python studio_client.py http://localhost:8765 "a red ball falls" ball.mp4 [MODEL]."""

import json
import os
import sys
from urllib.request import Request, urlopen

url, prompt, path = sys.argv[1:4]
headers = {"Authorization": f"Bearer {os.environ['FRAMEFALL_STUDIO_TOKEN']}", "Content-Type": "application/json"}


def ask(route, body=None):
    """The answer to a question, as a file."""
    return urlopen(Request(url + route, None if body is None else json.dumps(body).encode(), headers))


request = {"prompt": prompt, "model": sys.argv[4] if len(sys.argv) > 4 else "pico", "seed": 7}
job = json.load(ask("/api/jobs", {"kind": "generate", "request": request}))
for line in ask(f"/api/jobs/{job['id']}/events"):  # until the job has ended
    if line.startswith(b"data: ") and b'"stage"' in line and b'"what"' in line:
        print({key: value for key, value in json.loads(line[6:]).items() if key in ("stage", "what", "done")})
job = json.load(ask(f"/api/jobs/{job['id']}"))
assert job["state"] == "done", job["sentence"]
with open(path, "wb") as file:
    file.write(ask(f"/api/files/{job['result']['clips'][0]['video']}").read())
