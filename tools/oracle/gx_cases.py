"""Writes tests/fixtures/oracle/gx_cases.json: the worked examples in the JSON schemas of Great Expectations.

pip install great_expectations==1.24.1
Run from the repository's root: python tools/oracle/gx_cases.py

Each schema's `description` holds example data, a passing case and a failing case with their outputs. Great Expectations
is Apache-2.0 (https://github.com/great-expectations/great_expectations); data, arguments and outputs are taken over as
facts, and no prose is. Nothing is run: what the examples say is what is written.
"""

import ast
import json
import pathlib
import re

import great_expectations as gx

FOLDER = pathlib.Path(gx.__file__).parent / "expectations" / "core" / "schemas"


def snake(name):
    name = name.replace("ExpectColumnKLDivergence", "ExpectColumnKlDivergence").replace("ZScores", "Z_scores")
    name = re.sub(r"(?<=[a-z])AToBe", "_AToBe", name).replace("ThanB", "Than_B")
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=To)", "_", name).lower()


def cell(text):
    text = text.strip()
    if text in ("None", "NaN", "null", "nan"):
        return None
    if text in ("True", "False"):
        return text == "True"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def tables(text):
    """The tables of an `Example Data` block by name; the only one has no name."""
    found, name, lines = {}, "", []
    for line in text.splitlines()[1:] + [""]:
        if re.fullmatch(r"\s*(test_\w*table\w*)\s*", line) or not line.strip():
            if lines:
                found[name] = table(lines)
            name, lines = line.strip(), []
        elif not line.strip().endswith(":"):
            lines.append(line)
    return found


def table(lines):
    header = lines[0].split()
    rows = [[cell(part) for part in re.findall(r'"[^"]*"|\S+', line)[1:]] for line in lines[1:]]
    header += [f"test{place + 1}" for place in range(len(header), max(map(len, rows)))]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def call(text):
    """Name and arguments of the call; an unquoted name is a text."""
    text = re.sub(r"\)\s+\(", "), (", text)
    node = ast.parse(text.strip(), mode="eval").body
    value = lambda it: it.id if isinstance(it, ast.Name) else ast.literal_eval(it)
    return node.func.id, {word.arg: value(word.value) for word in node.keywords}


def output(text):
    text = re.sub(r",(\s*[\]}])", r"\1", text)
    text = re.sub(r"(:\s*)\.(\d)", r"\g<1>0.\2", text)
    return json.JSONDecoder().raw_decode(text[text.index("{"):])[0]


def main():
    cases, without = [], []
    for path in sorted(FOLDER.glob("*.json")):
        if path.name == "index.json":
            continue
        schema = json.loads(path.read_text())
        text = schema["description"]
        if "Example Data" not in text:
            without.append(path.stem)
            continue
        data = tables(text[text.index("Example Data"):re.search(r"Code Examples:|Passing Case:", text).start()])
        for case in ("Passing", "Failing"):
            block = text[text.index(f"{case} Case:"):]
            asked = block[block.index("Input:") + 6:block.index("Output:")]
            name, kwargs = call(asked)
            said = output(block[block.index("Output:"):])
            cases.append({
                "case": f"{path.stem} {case.lower()}",
                "type": snake(name),
                "kwargs": kwargs,
                "tables": data,
                "success": said["success"],
                "result": said["result"],
            })
    document = {
        "versions": {"great_expectations": gx.__version__},
        "source": "great_expectations/expectations/core/schemas/*.json, Apache-2.0",
        "without_cases": without,
        "cases": cases,
    }
    with open("tests/fixtures/oracle/gx_cases.json", "w", encoding="utf-8") as file:
        file.write("{\n")
        for key in ("versions", "source", "without_cases"):
            file.write(f" {json.dumps(key)}: {json.dumps(document[key])},\n")
        file.write(' "cases": [\n' + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]\n}\n")
    print(len(cases), "cases; without:", ", ".join(without))


main()
