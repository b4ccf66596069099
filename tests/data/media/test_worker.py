"""The worker says what protects it, answers, and leaves when nobody is there; it loads no network library."""

import subprocess
import sys

from framefall.data.media import isolated
from framefall.data.media.sandbox import PROTECTIONS


def test_it_says_what_is_on() -> None:
    found = isolated.protections()
    assert set(found) == {"process", *PROTECTIONS} and found["process"]
    if sys.platform.startswith("linux"):
        assert found["no_new_privileges"] and found["no_writing"]


def test_it_is_light() -> None:
    code = "import sys, framefall.data.media.worker; print('torch' in sys.modules, 'scipy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert said.split() == ["False", "False"]
