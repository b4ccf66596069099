"""What a process has that its tests share."""

import os
import resource
import signal
import sys


def shared_state() -> dict[str, object]:
    """What the tests of one worker have in common, and none may leave changed."""
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ)
    limits = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
    # libraries write into the environment too, when they are loaded
    names = ("HOME", "PATH", "PYTHONPATH", "CXX", "OMP_NUM_THREADS")
    return {
        **{name: os.environ[name] for name in os.environ if name in names or name.startswith("FRAMEFALL_")},
        **{one.name: signal.getsignal(one) for one in signals},
        **{one: resource.getrlimit(getattr(resource, one)) for one in limits},
        "folder": os.getcwd(),
        "threads": (torch.get_num_threads() if torch else 1, cv2.getNumThreads() if cv2 else 1),
    }
