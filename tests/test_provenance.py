import re
import subprocess

import torch

from framefall.provenance import commit, machine


def test_a_machine_has_a_processor_threads_and_a_torch() -> None:
    found = machine()
    assert found["cpu"] and found["threads"] == torch.get_num_threads() and found["torch"] == torch.__version__


def test_the_commit_is_gits_own() -> None:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert commit() == (said or "unknown") and re.fullmatch(r"[0-9a-f]{7,}|unknown", commit())
