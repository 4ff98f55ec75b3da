"""What orchestration itself costs: trivial steps, so that nothing else is measured.

W1: a chain of 40 trivial steps, command to exit. W3: 10 layers of 100 steps, step (l, j) after (l-1, j) and
(l-1, (j+1) mod 100); a first run and a run with nothing to do. Everything is pinned to one CPU.

make and `run: "true"` start a process for each step; Luigi, Prefect and Dagster (in_process) call a function of
their own process; `phaseline, native` validates a one-column table in each step, in a process of its own.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile

from common import median, program, table, venv

CHAIN = [(f"t{i}", [f"t{i - 1}"] if i else []) for i in range(40)]
GRAPH = [(f"n{layer}_{j}", sorted({f"n{layer - 1}_{j}", f"n{layer - 1}_{(j + 1) % 100}"}) if layer else [])
         for layer in range(10) for j in range(100)]
LAST = [f"n9_{j}" for j in range(100)]


def makefile(nodes, final, recipe, phony):
    lines = [f"all: {' '.join(final)}"]
    for name, needs in nodes:
        lines += [f"{name}: {' '.join(needs)}", f"\t@{recipe}"]
    if phony:
        lines.append(".PHONY: all " + " ".join(name for name, _ in nodes))
    return "\n".join(lines) + "\n"


def commands(nodes, command):
    # Equal work is done once, so every command is another one.
    lines = ["version: 1", "pipeline: bench", "data_engineering:", "  steps:"]
    for name, needs in nodes:
        lines.append(f"    {name}: {{run: {command} {name}, needs: [{', '.join(needs)}]}}")
    return "\n".join(lines) + "\n"


def native(nodes):
    lines = ["version: 1", "pipeline: bench", "understanding:", "  steps:",
             "    source: {uses: ingest.csv, with: {path: one.csv}}"]
    for name, needs in nodes:
        lines.append(f"    {name}: {{uses: validate.table, inputs: {{table: {needs[0] if needs else 'source'}}}, "
                     "with: {expect: [{check: row_count, min: 1, id: " + name + "}]}}")
    return "\n".join(lines) + "\n"


LUIGI = """
import os, luigi
DONE = set()
class Node(luigi.Task):
    name = luigi.Parameter()
    def requires(self): return [Node(name=need) for need in GRAPH[self.name]]
    def complete(self): return self.name in DONE
    def run(self): DONE.add(self.name)
class FileNode(luigi.Task):
    name = luigi.Parameter()
    def requires(self): return [FileNode(name=need) for need in GRAPH[self.name]]
    def output(self): return luigi.LocalTarget("out/" + self.name)
    def run(self):
        os.makedirs("out", exist_ok=True)
        open("out/" + self.name, "w").close()
class Last(luigi.WrapperTask):
    def requires(self): return [FileNode(name=name) for name in FINAL]
"""

PREFECT = """
from prefect import flow, task
@task
def noop(*args): return 1
@flow
def chain():
    x = 0
    for _ in range(40): x = noop(x)
chain()
"""

DAGSTER = """
from dagster import DependencyDefinition, GraphDefinition, In, MultiDependencyDefinition, NodeInvocation, Nothing, Out, in_process_executor, op
@op(ins={"deps": In(Nothing)}, out=Out(Nothing))
def noop(): pass
invocations = {}
for name, needs in NODES:
    invocations[NodeInvocation("noop", alias=name)] = {} if not needs else {
        "deps": MultiDependencyDefinition([DependencyDefinition(need) for need in needs])}
job = GraphDefinition(name="job", node_defs=[noop], dependencies=invocations).to_job(executor_def=in_process_executor)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", help="folder for the peers' virtual environments; without it only make is measured")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0})
    work = pathlib.Path(tempfile.mkdtemp(prefix="phaseline-bench-"))
    rows = []
    try:
        measure(work, arguments, rows)
    except SystemExit as error:
        print(f"a peer did not run: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    base = {workload: seconds for workload, tool, seconds in rows if tool == "make"}
    table(["workload", "tool", "seconds", "of make"],
          [[workload, tool, f"{seconds:.3f}", f"{seconds / base[workload]:.1f}"] for workload, tool, seconds in rows])


def measure(work, arguments, rows):
    runs = arguments.runs
    (work / "Makefile").write_text(makefile(CHAIN, ["t39"], "true", True))
    rows.append(("W1", "make", median(["make"], runs, cwd=work)))
    (work / "one.csv").write_text("a\n1\n")

    def fresh():
        shutil.rmtree(work / ".phaseline", ignore_errors=True)

    def phaseline(name, text, workload, warm=False):
        (work / f"{name}.yaml").write_text(text)
        command = [program(), "run", f"{name}.yaml"]
        if warm:
            fresh()
            subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows.append((workload, f"phaseline, {name}", median(command, runs, None if warm else fresh, cwd=work)))

    phaseline("command", commands(CHAIN, "true"), "W1")
    phaseline("native", native(CHAIN), "W1")

    makefile_text = makefile(GRAPH, LAST, "touch $@", False)
    (work / "graph").mkdir()
    (work / "graph" / "Makefile").write_text(makefile_text)

    def untouched():
        for name, _ in GRAPH:
            (work / "graph" / name).unlink(missing_ok=True)

    rows.append(("W3 first", "make", median(["make"], 3, untouched, cwd=work / "graph")))
    rows.append(("W3 no-op", "make", median(["make"], runs, cwd=work / "graph")))
    phaseline("graph", commands(GRAPH, "true"), "W3 first")
    phaseline("graph", commands(GRAPH, "true"), "W3 no-op", warm=True)
    if arguments.venvs:
        peers(work, pathlib.Path(arguments.venvs), runs, rows)


def peers(work, venvs, runs, rows):
    luigi = venv(venvs / "luigi", "luigi==3.8.1", "setuptools<81")
    (work / "tasks.py").write_text(f"GRAPH = {dict(CHAIN)!r}\nFINAL = ['t39']\n" + LUIGI)
    (work / "graph_tasks.py").write_text(f"GRAPH = {dict(GRAPH)!r}\nFINAL = {LAST!r}\n" + LUIGI)
    env = dict(os.environ, PYTHONPATH=str(work))
    call = [luigi, "-m", "luigi", "--local-scheduler", "--log-level", "WARNING", "--module"]
    rows.append(("W1", "Luigi", median([*call, "tasks", "Node", "--name", "t39"], runs, cwd=work, env=env)))

    def no_outputs():
        shutil.rmtree(work / "out", ignore_errors=True)

    rows.append(("W3 first", "Luigi", median([*call, "graph_tasks", "Last"], 3, no_outputs, cwd=work, env=env)))
    rows.append(("W3 no-op", "Luigi", median([*call, "graph_tasks", "Last"], runs, cwd=work, env=env)))

    prefect = venv(venvs / "prefect", "prefect==3.8.8", "fastapi<0.140")
    (work / "flow.py").write_text(PREFECT)
    env = dict(os.environ, PREFECT_HOME=str(work / "prefect"), PREFECT_SERVER_ANALYTICS_ENABLED="false",
               PREFECT_LOGGING_LEVEL="WARNING")
    subprocess.run([prefect, "flow.py"], cwd=work, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows.append(("W1", "Prefect, its own temporary server", median([prefect, "flow.py"], 3, cwd=work, env=env)))

    dagster = venv(venvs / "dagster", "dagster==1.13.27")
    (work / "jobs.py").write_text(f"NODES = {CHAIN!r}\n" + DAGSTER)
    (work / "dagster").mkdir()
    (work / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    env = dict(os.environ, DAGSTER_HOME=str(work / "dagster"))
    call = [dagster, "-m", "dagster", "job", "execute", "-f", "jobs.py", "-j", "job"]
    rows.append(("W1", "Dagster, in_process", median(call, 3, cwd=work, env=env)))


if __name__ == "__main__":
    main()
