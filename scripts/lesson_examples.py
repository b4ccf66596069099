"""Makes the lesson's examples anew, all or some: python scripts/lesson_examples.py [NAME ...]

The page's own numbers are renewed from them (`framefall/studio/lesson/page.py`).
"""

import argparse
import time

from framefall.studio.lesson.examples import EXAMPLES, FOLDER, MEASURED, make
from framefall.studio.lesson.page import renew

if __name__ == "__main__":
    import torch  # not before framefall: it says how torch's threads wait

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*EXAMPLES, *MEASURED, []], metavar="NAME")  # []: none was named
    torch.set_num_threads(1)
    for name in parser.parse_args().names or EXAMPLES:
        began = time.process_time()
        make(name)
        size = sum(file.stat().st_size for file in FOLDER.glob(f"{name}[.-]*"))
        print(f"{name}: {time.process_time() - began:.1f} s of CPU, {size:,} bytes", flush=True)
    renew()
