"""What a daemon costs: many small runs submitted through the API, answers while it works, and what it takes when idle.

Each run has five native steps in a chain (a one-column table read once and validated), another param each time so that
nothing is reused. Beside it the same five-step chain on Prefect's server and on Dagster's daemon, as many runs as fit
in a bounded time. `--history N` first fills the database with N step rows of ended runs (Postgres only).
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from common import program, table, tree_rss, venv

STEPS = 5
PIPELINE = """version: 1
pipeline: small
params:
  n: {type: int, default: 0}
understanding:
  steps:
    source: {uses: ingest.csv, with: {path: one.csv}, cache: off}
""" + "".join(
    f"    check{number}: {{uses: validate.table, inputs: {{table: {'source' if number == 1 else f'check{number - 1}'}}}, "
    f"with: {{expect: [{{check: row_count, min: 1, id: \"c{number}_${{{{ params.n }}}}\"}}]}}}}\n"
    for number in range(1, STEPS))

PREFECT = """
import sys, time
from prefect import flow, task

@task
def step(x): return x + 1

@flow
def small():
    x = 0
    for _ in range(5): x = step(x)

small()
start, count = time.perf_counter(), 0
while time.perf_counter() - start < float(sys.argv[1]):
    small(); count += 1
print(count * 5 / (time.perf_counter() - start))
"""

DAGSTER = """
from dagster import job, op, in_process_executor, Definitions
@op
def step(x: int) -> int: return x + 1
@op
def first() -> int: return 1
@job(executor_def=in_process_executor)
def small():
    step.alias("e")(step.alias("d")(step.alias("c")(step.alias("b")(first()))))
defs = Definitions(jobs=[small])
"""


def cpu_seconds(pid):
    """CPU seconds of a process and of its children that have ended."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def tree_cpu(pid):
    """CPU seconds of a process and all its descendants."""
    total = cpu_seconds(pid)
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                total += sum(tree_cpu(int(child)) for child in children.read().split())
    except FileNotFoundError:
        pass
    return total


class Daemon:
    """A daemon on a folder of its own."""

    def __init__(self, folder, url=None):
        self.folder = pathlib.Path(folder)
        (self.folder / "pipelines").mkdir(parents=True)
        (self.folder / "pipelines/one.csv").write_text("a\n1\n")
        (self.folder / "pipelines/small.yaml").write_text(PIPELINE)
        self.env = dict(os.environ, **({"PHASELINE_DATABASE_URL": url} if url else {}))
        self.port = free_port()
        self.start()

    def start(self):
        command = [program(), "daemon", "--pipelines", "pipelines", "--listen", f"127.0.0.1:{self.port}"]
        self.log = open(self.folder / "daemon.log", "ab")
        self.process = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=self.log, stderr=self.log)
        deadline = time.time() + 30
        while not answers(f"http://127.0.0.1:{self.port}/readyz"):
            if time.time() > deadline or self.process.poll() is not None:
                sys.exit((self.folder / "daemon.log").read_text()[-3000:])
            time.sleep(0.01)
        self.token = (self.folder / ".phaseline/daemon.token").read_text().strip()

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, connection, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status >= 400:
            sys.exit(f"{method} {path}: {response.status} {answer[:500]}")
        return json.loads(answer) if answer else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def free_port():
    import socket
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def idle(pid, seconds):
    """Resident MiB and CPU percent of an idle process tree."""
    time.sleep(3)
    before = tree_cpu(pid)
    time.sleep(seconds)
    return tree_rss(pid) / 2**20, (tree_cpu(pid) - before) / seconds * 100


def load(daemon, runs, first=0):
    """Steps per second, CPU milliseconds per step, and the latency of answers at the 50th and 99th percentile in ms.

    The param of the runs counts from `first`, so that none reuses what another one made.
    """
    connection, latencies, done = daemon.connection(), [], threading.Event()

    def look():
        own = daemon.connection()
        while not done.is_set():
            start = time.perf_counter()
            daemon.ask(own, "GET", "/api/v1/runs?limit=20")
            latencies.append(time.perf_counter() - start)
            time.sleep(0.02)

    before, start = tree_cpu(daemon.process.pid), time.perf_counter()
    looker = threading.Thread(target=look)
    looker.start()
    for number in range(first, first + runs):
        daemon.ask(connection, "POST", "/api/v1/pipelines/small/runs", {"params": {"n": number}})
    submitted = time.perf_counter() - start
    while True:
        waiting = [daemon.ask(connection, "GET", f"/api/v1/runs?state={state}&limit=1")["items"]
                   for state in ("waiting", "running")]
        if not any(waiting):
            break
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    done.set()
    looker.join()
    failed = daemon.ask(connection, "GET", "/api/v1/runs?state=failed&limit=1")["items"]
    if failed:
        sys.exit(f"a run failed: {failed}")
    steps = runs * STEPS
    percent = statistics.quantiles(latencies, n=100)
    cpu = tree_cpu(daemon.process.pid) - before
    return dict(submit=runs / submitted, rate=steps / seconds, cpu=cpu / steps * 1000, p50=percent[49] * 1000, p99=percent[98] * 1000)


def recovery(daemon):
    """Seconds from `kill -9` of the daemon to the start of the next step of a run, its restart included."""
    manifest = "version: 1\npipeline: slow\ndata_engineering:\n  steps:\n" + "".join(
        f"    s{n}: {{run: sleep 0.2 && date +%s.%N >> log, needs: [{f's{n - 1}' if n else ''}], cache: off}}\n" for n in range(30))
    (daemon.folder / "pipelines/slow.yaml").write_text(manifest)
    log, times = daemon.folder / "pipelines/log", []
    connection = daemon.connection()
    deadline = time.time() + 30
    while "slow" not in [item["pipeline"] for item in daemon.ask(connection, "GET", "/api/v1/pipelines")["items"]]:
        if time.time() > deadline:
            sys.exit("the daemon does not notice the new pipeline")
        time.sleep(0.1)
    daemon.ask(connection, "POST", "/api/v1/pipelines/slow/runs", {})
    for wanted in (3, 9, 15):
        while not log.exists() or len(log.read_text().splitlines()) < wanted:
            time.sleep(0.005)
        daemon.process.kill()
        daemon.process.wait()
        killed = time.time()
        daemon.start()
        times.append((killed, wanted))
    while len(log.read_text().splitlines()) < 30:
        time.sleep(0.02)
    ends = [float(line) for line in log.read_text().splitlines()]
    # The step that ran when the daemon was killed ends by itself; the one after it is the daemon's.
    return statistics.median(ends[wanted + 1] - 0.2 - killed for killed, wanted in times)


class Postgres:
    """A throwaway cluster with its usual durability."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "nobody", "nogroup")
        data = str(self.folder / "data")
        subprocess.run([*self.user, "initdb", "-A", "trust", "-U", "phaseline", "-D", data], check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([*self.user, "postgres", "-D", data, "-k", str(self.folder), "-c", "listen_addresses=",
                                         "-c", "shared_buffers=256MB"], stderr=subprocess.DEVNULL)
        self.url = f"postgres://phaseline@localhost/postgres?host={self.folder}&sslmode=disable"
        while subprocess.run(["psql", self.url, "-c", "select 1"], capture_output=True).returncode:
            time.sleep(0.05)

    def sql(self, text):
        subprocess.run(["psql", self.url, "-q", "-v", "ON_ERROR_STOP=1", "-c", text], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def fill(postgres, rows):
    """Copies an ended run until there are `rows` rows of steps."""
    copies = rows // STEPS
    def copy(name, keys):
        columns = subprocess.run(["psql", postgres.url, "-At", "-c",
            f"select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns "
            f"where table_name = '{name}' and is_identity = 'NO'"], capture_output=True, text=True, check=True).stdout.strip().split(",")
        picked = [f"{column} || '-' || n" if column in keys else column for column in columns]
        run = "(select run_id from runs where finished_at is not null order by run_id limit 1)"
        postgres.sql(f"insert into {name} ({','.join(columns)}) select {','.join(picked)} "
                     f"from {name}, generate_series(1, {copies}) n where run_id = {run}")
    for name, keys in [("events", {"run_id"}), ("steps", {"run_id", "attempt_id"}), ("attempts", {"run_id", "attempt_id"}),
                       ("step_inputs", {"run_id"}), ("step_outputs", {"run_id"}), ("params", {"run_id"}), ("run_definitions", {"run_id"}), ("runs", {"run_id"})]:
        copy(name, keys)
    postgres.sql("analyze")


def prefect(seconds):
    python = venv("/tmp/peers/prefect", "prefect", "fastapi<0.140")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = dict(os.environ, HOME=folder, PREFECT_HOME=folder, PREFECT_SERVER_ANALYTICS_ENABLED="false",
                   PREFECT_LOGGING_LEVEL="ERROR", PREFECT_LOGGING_SERVER_LEVEL="ERROR")
        server = subprocess.Popen([os.path.join(os.path.dirname(python), "prefect"), "server", "start", "--port", str(port)], env=env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not answers(f"http://127.0.0.1:{port}/api/health"):
            time.sleep(0.2)
        rss, cpu = idle(server.pid, 20)
        pathlib.Path(folder, "flow.py").write_text(PREFECT)
        env["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        out = subprocess.run([python, "flow.py", str(seconds)], cwd=folder, env=env, capture_output=True, text=True)
        server.terminate()
        server.wait(30)
        return float(out.stdout.split()[-1]), rss, cpu


def dagster(runs):
    python = venv("/tmp/peers/dagster", "dagster")
    bin_ = pathlib.Path(python).parent
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        (home / "defs.py").write_text(DAGSTER)
        (home / "workspace.yaml").write_text("load_from:\n  - python_file: defs.py\n")
        env = dict(os.environ, DAGSTER_HOME=folder)
        log = open(home / "log", "wb")
        daemon = subprocess.Popen([bin_ / "dagster-daemon", "run", "-w", "workspace.yaml"], cwd=home, env=env, stdout=log, stderr=log)
        time.sleep(10)
        rss, cpu = idle(daemon.pid, 20)
        script = ("from dagster import DagsterInstance, DagsterRunStatus\nimport subprocess, sys, time\n"
                  "i = DagsterInstance.get()\nstart = time.perf_counter()\n"
                  f"for _ in range({runs}): subprocess.run([sys.argv[1], 'job', 'launch', '-w', 'workspace.yaml', '-j', 'small'], check=True, capture_output=True)\n"
                  "while True:\n    runs = i.get_runs()\n"
                  f"    if len(runs) >= {runs} and all(r.is_finished for r in runs): break\n    time.sleep(0.2)\n"
                  "assert all(r.status == DagsterRunStatus.SUCCESS for r in runs), runs\n"
                  f"print({runs} * 5 / (time.perf_counter() - start))\n")
        out = subprocess.run([python, "-c", script, str(bin_ / "dagster")], cwd=home, env=env, capture_output=True, text=True)
        daemon.terminate()
        daemon.wait(30)
        if out.returncode:
            sys.exit(out.stderr[-2000:])
        return float(out.stdout.split()[-1]), rss, cpu


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2000)
    arguments.add_argument("--history", type=int, default=0, help="rows of ended steps in Postgres for a second measurement")
    arguments.add_argument("--peers", action="store_true")
    arguments.add_argument("--idle", type=int, default=30, help="seconds to watch an idle daemon")
    given = arguments.parse_args()
    rows, busy = [], lambda m: [f"{m['rate']:.0f}", f"{m['cpu']:.1f}", f"{m['submit']:.0f}", f"{m['p50']:.1f}", f"{m['p99']:.1f}"]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        root.chmod(0o755)
        daemon = Daemon(root / "sqlite")
        rss, cpu = idle(daemon.process.pid, given.idle)
        measured = load(daemon, given.runs)
        after, _ = idle(daemon.process.pid, 5)
        rows.append(["Phaseline, SQLite", *busy(measured), f"{rss:.0f}", f"{cpu:.2f}", f"{after:.0f}"])
        print(f"from kill -9 to the next step: {recovery(daemon):.2f} s", flush=True)
        daemon.stop()
        postgres = Postgres(root / "pg")
        daemon = Daemon(root / "postgres", postgres.url)
        rss, cpu = idle(daemon.process.pid, given.idle)
        measured = load(daemon, given.runs)
        after, _ = idle(daemon.process.pid, 5)
        rows.append(["Phaseline, Postgres", *busy(measured), f"{rss:.0f}", f"{cpu:.2f}", f"{after:.0f}"])
        if given.history:
            daemon.stop()
            fill(postgres, given.history)
            daemon.start()
            rows.append([f"Phaseline, Postgres with {given.history} step rows", *busy(load(daemon, given.runs, given.runs)), "", "", ""])
        daemon.stop()
        postgres.stop()
    if given.peers:
        rate, rss, cpu = prefect(30)
        rows.append(["Prefect server, tasks in one process", f"{rate:.0f}", "", "", "", "", f"{rss:.0f}", f"{cpu:.2f}", ""])
        rate, rss, cpu = dagster(5)
        rows.append(["Dagster daemon, in_process", f"{rate:.1f}", "", "", "", "", f"{rss:.0f}", f"{cpu:.2f}", ""])
    table(["", "steps/s", "CPU ms/step", "submits/s", "API p50 ms", "API p99 ms", "idle MiB", "idle CPU %", "MiB after"], rows)


if __name__ == "__main__":
    main()
