"""What a wide matrix costs before anything runs: `check` and `plan` of steps with N instances in all.

`flat`: one step. `rows`: 10 steps over the same values, each instance after the one of the step before with the same
values, and one step that joins the last. Peak memory is that of the process.
"""
import argparse
import pathlib
import tempfile

from common import program, table, timed


def manifest(steps, values):
    lines = ["version: 1", "pipeline: wide", "params:",
             f"  values: {{type: list, default: [{', '.join(str(value) for value in range(values))}]}}",
             "data_engineering:", "  steps:"]
    for number in range(steps):
        needs = f", needs: [s{number - 1}]" if number else ""
        lines.append(f'    s{number}: {{run: "echo ${{{{ matrix.value }}}}", '
                     f'matrix: {{value: "${{{{ params.values }}}}"}}{needs}}}')
    if steps > 1:
        lines.append(f'    join: {{run: "true", needs: [s{steps - 1}]}}')
    return "\n".join(lines) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--instances", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments.add_argument("--program", default=None, help="another build than that below CARGO_TARGET_DIR")
    options = arguments.parse_args()
    phaseline = options.program or program()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "pipeline.yaml"
        for instances in options.instances:
            for shape, steps in [("flat", 1), ("rows", 10)]:
                path.write_text(manifest(steps, instances // steps))
                for command in ["check", "plan"]:
                    seconds, mebibytes = timed([phaseline, command, "pipeline.yaml"], cwd=folder, peak=True)
                    rows.append([shape, f"{instances:,}", command, f"{seconds:.2f}", round(mebibytes)])
    table(["shape", "instances", "command", "seconds", "peak MiB"], rows)


if __name__ == "__main__":
    main()
