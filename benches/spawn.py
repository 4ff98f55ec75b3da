"""A worker process to a trivial end, against /bin/true: what one attempt costs before its step begins.

The worker is given a folder without a work order, so it starts, looks, and ends.
"""
import subprocess
import tempfile
import time

from common import program, table


def per_spawn(command, count=500):
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) / count * 1000


def main():
    with tempfile.TemporaryDirectory() as folder:
        per_spawn(["/bin/true"], 50)
        true = per_spawn(["/bin/true"])
        worker = per_spawn([program(), "worker", folder])
    table(["program", "ms", "ratio"], [["/bin/true", f"{true:.2f}", "1.0"], ["worker", f"{worker:.2f}", f"{worker / true:.1f}"]])


if __name__ == "__main__":
    main()
