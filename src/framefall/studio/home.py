"""Where a studio keeps what is to survive it: its queue, what its jobs made, what was uploaded, and its secret."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from framefall import publish


@dataclass(frozen=True)
class Home:
    """A studio's own folder. Names in it are made by the server; nothing of a request ever becomes a part of a path."""

    path: Path

    @property
    def database(self) -> Path:
        """The queue (`queue.py`)."""
        return self.path / "studio.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the one server that has this home."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """Tracebacks of what should not have happened in the worker."""
        return self.path / "worker.log"

    @property
    def uploads(self) -> Path:
        """A file an upload."""
        return self.path / "uploads"

    def attempt(self, job: str, attempt: int) -> Path:
        """Where one attempt of a job writes: two never write into one folder."""
        return self.path / "jobs" / job / str(attempt)

    def job(self, job: str) -> Path:
        """The folder of a job's attempts."""
        return self.path / "jobs" / job

    def model(self, job: str) -> Path:
        """Where a training publishes its model; what it goes on from lies beside it, in `NAME.training`."""
        return self.path / "models" / job / f"trained-{job[:6]}"

    def prepare(self) -> None:
        """Makes what is missing, for this user alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("jobs", "uploads", "models"):
            (self.path / name).mkdir(exist_ok=True, mode=0o700)
        secret = self.path / "secret"
        if not secret.exists():
            with publish.file(secret) as partial:
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                os.write(descriptor, secrets.token_hex(32).encode())
                os.close(descriptor)

    def keyed(self, purpose: str, what: str = "") -> str:
        """A name that nobody makes who has not this home's secret: 32 hexadecimal digits."""
        key = bytes.fromhex((self.path / "secret").read_text())
        return hmac.new(key, f"{purpose}\0{what}".encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:32]

    @property
    def token(self) -> str:
        """What a browser or a program must know to be served, unless the operator says another."""
        return self.keyed("token")


def default_home() -> Path:
    """`$FRAMEFALL_STUDIO`, or `~/.local/share/framefall/studio`."""
    said = os.environ.get("FRAMEFALL_STUDIO")
    return Path(said) if said else Path.home() / ".local" / "share" / "framefall" / "studio"
