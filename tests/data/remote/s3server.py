"""A real S3 server on this machine: moto's, in a process of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Its address; credentials and address stand in the environment, as a user has them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", url)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=dict(os.environ), **quiet) as process:  # type: ignore[call-overload]
            try:
                for _ in range(600):
                    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/moto-api/") as answer:
                        answer.read()
                        break
                    time.sleep(0.1)
                yield url
            finally:
                forget()
                process.terminate()


def forget() -> None:
    """Closes what s3fs keeps open to a server."""
    import s3fs
    from fsspec.asyn import sync

    for filesystem in list(s3fs.S3FileSystem._cache.values()):
        with contextlib.suppress(Exception):
            sync(filesystem.loop, filesystem._s3creator.__aexit__, None, None, None)
    s3fs.S3FileSystem.clear_instance_cache()
