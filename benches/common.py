"""What the measurements share: where the program is, how a command is timed, how a table is printed."""
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def program():
    """The release build of phaseline."""
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    path = pathlib.Path(target) / "release" / "phaseline"
    if not path.exists():
        sys.exit(f"{path} is missing: run `cargo build --release` first")
    return str(path)


def venv(folder, *packages):
    """The Python of a virtual environment that has `packages`, made at the first call."""
    folder = pathlib.Path(folder)
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return str(python)


def tree_rss(pid):
    """Resident memory in bytes of a process and all its descendants."""
    total, waiting = 0, [pid]
    while waiting:
        current = waiting.pop()
        try:
            with open(f"/proc/{current}/statm") as statm:
                total += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            with open(f"/proc/{current}/task/{current}/children") as children:
                waiting += [int(child) for child in children.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def timed(command, cwd=None, env=None, peak=False, output=os.devnull):
    """Wall-clock seconds of a command, and the largest memory of its process tree in MiB if `peak`."""
    largest = 0
    start = time.perf_counter()
    with open(output, "wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=subprocess.PIPE)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    if peak:
        while process.poll() is None:
            largest = max(largest, tree_rss(process.pid))
            time.sleep(0.02)
    code = process.wait()
    seconds = time.perf_counter() - start
    reader.join()
    if code:
        sys.exit(f"{command} ended with {code}:\n{errors[0].decode()[-2000:]}")
    return seconds, largest / 2**20


def median(command, runs, prepare=None, **options):
    """The median seconds of several runs of a command."""
    walls = []
    for _ in range(runs):
        if prepare:
            prepare()
        walls.append(timed(command, **options)[0])
    return statistics.median(walls)


def table(header, rows):
    rows = [[str(cell) for cell in row] for row in rows]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
