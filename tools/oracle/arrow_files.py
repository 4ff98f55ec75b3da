"""Arrow files for the tests of `ingest.arrow`, in the formats and compressions that it reads.

pip install pyarrow==26.0.1
python tools/oracle/arrow_files.py tests/fixtures/arrow
"""

import datetime as dt
import decimal
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc

ZURICH = dt.timezone(dt.timedelta(hours=2))


def table():
    """A column of each type that becomes one of ours, with a missing value in each."""
    moments = [dt.datetime(2024, 1, 31, 10, 30, 15, 500000), None, dt.datetime(1850, 6, 1), dt.datetime(2300, 1, 1)]
    cities = ["Zürich", None, "", "Bern"]
    return pa.table(
        {
            "id": pa.array([1, None, 3, 4], pa.uint8()),
            "whole": pa.array([2**63 - 1, None, -(2**63), 0], pa.int64()),
            "half": pa.array([1.5, None, -0.0, 65504.0], pa.float32()).cast(pa.float16()),
            "number": pa.array([1e300, None, float("inf"), float("nan")], pa.float64()),
            "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-0.05"), decimal.Decimal(7)], pa.decimal64(9, 2)),
            "ok": pa.array([True, None, False, True]),
            "city": pa.array(cities).dictionary_encode(),
            "large": pa.array(cities, pa.large_string()),
            "view": pa.array(["a text that is longer than twelve bytes", None, "", "short"], pa.string_view()),
            "day": pa.array([dt.date(1, 1, 1), None, dt.date(1970, 1, 1), dt.date(9999, 12, 31)], pa.date32()),
            "day64": pa.array([dt.date(1899, 12, 31), None, dt.date(1970, 1, 1), dt.date(2300, 1, 1)], pa.date64()),
            "at": pa.array(moments, pa.timestamp("ms")),
            "zoned": pa.array([dt.datetime(2024, 7, 1, 12, tzinfo=ZURICH), None, None, None], pa.timestamp("us", "Europe/Zurich")),
            "nothing": pa.nulls(4),
        }
    )


def write(path, make, rows, compression=None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, make(sink, rows.schema, options=options) as writer:
        writer.write_table(rows, max_chunksize=3)


def dictionaries(path):
    """A stream whose dictionary grows, and is replaced afterwards."""
    text = pa.dictionary(pa.int8(), pa.string())
    chunk = lambda values, indices: pa.record_batch([pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(values))], ["city"])
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, pa.schema([("city", text)]), options=options) as writer:
        writer.write_batch(chunk(["a"], [0, None]))
        writer.write_batch(chunk(["a", "b"], [1, 0]))
        writer.write_batch(chunk(["c"], [0]))


def odd(folder):
    """Files that are refused."""
    nested = pa.table({"id": [1], "tags": [["a"]]})
    write(folder / "nested.arrow", pa.ipc.new_file, nested)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", "b"])
    write(folder / "twice.arrow", pa.ipc.new_file, twice)
    write(folder / "beyond.arrow", pa.ipc.new_file, pa.table({"n": pa.array([2**63], pa.uint64())}))
    write(folder / "empty.arrow", pa.ipc.new_file, pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rows = table()
    write(folder / "plain.arrow", pa.ipc.new_file, rows)
    write(folder / "zstd.arrow", pa.ipc.new_file, rows, "zstd")
    write(folder / "stream.arrows", pa.ipc.new_stream, rows)
    write(folder / "lz4.arrows", pa.ipc.new_stream, rows, "lz4")
    pa.feather.write_feather(rows, str(folder / "lz4.feather"), compression="lz4")
    old = pa.table({"id": [1, 2], "city": ["Bern", None]})
    pa.feather.write_feather(old, str(folder / "old.feather"), version=1)
    dictionaries(folder / "dictionaries.arrows")
    odd(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
