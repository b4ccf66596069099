"""How files of tests are given to pytest's workers: from both ends, so that neighbours are with one of them.

Neighbours share fixtures, which the other one would wait for, and libraries, which both would load.
"""

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class FromBothEnds(LoadFileScheduling):
    """Every second worker takes the last file that is left."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)
