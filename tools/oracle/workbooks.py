"""Workbooks for the tests of `ingest.excel`, in the four formats that it reads.

pip install openpyxl==3.1.5 xlwt==1.3.0 odfpy==1.4.1
python tools/oracle/workbooks.py tests/fixtures/workbooks

No program at hand writes `.xlsb`, so its few records are put together here by the published format.
"""

import datetime as dt
import struct
import sys
import zipfile
from pathlib import Path

import openpyxl
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

HEADER = ["id", "amount", "paid", "day", "at", "length", "time", "note", "mixed", "never"]
ROWS = [
    [1, 2.5, True, dt.date(2024, 1, 31), dt.datetime(2024, 1, 31, 10, 30, 15, 500000), dt.timedelta(hours=26, seconds=9), dt.time(18, 45), "Zürich & <b>", 7, None],
    [2, -1e-7, False, dt.date(1900, 1, 1), dt.datetime(1999, 12, 31, 23, 59, 59), dt.timedelta(seconds=0.25), dt.time(0, 0, 1), " 007 ", "n/a", None],
    [None] * 10,
    [9007199254740992, None, None, dt.date(9999, 12, 31), dt.date(2024, 2, 29), None, None, "", True, None],
]


def xlsx(folder):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Kinds"
    sheet.append(HEADER)
    for row in ROWS:
        sheet.append(row)
    for row in sheet.iter_rows(min_row=2):
        row[5].number_format = "[h]:mm:ss.00"

    errors = book.create_sheet("Errors")
    for row in [["id", "share"], [1, 0.5], [2, "#DIV/0!"], [3, "#N/A"], [4, 2], [5, -1]]:
        errors.append(row)
    errors["B3"].data_type = errors["B4"].data_type = "e"
    errors["B6"].number_format = "yyyy-mm-dd"

    titled = book.create_sheet("Title above")
    titled["B2"] = "Sales by region"
    for place, row in zip([4, 5, 7, 8], [["Customer\n ID", None, "Sum"], ["a", None, 1], ["b", None, 2], ["Total", None, 3]]):
        for column, value in enumerate(row):
            titled.cell(row=place, column=column + 2, value=value)

    twice = book.create_sheet("Twice")
    twice.append(["a", "b", "a"])
    nameless = book.create_sheet("Nameless")
    nameless.append(["a", None, "c"])
    nameless.append([1, 2, 3])
    merged = book.create_sheet("Merged")
    for row in [["group", "n"], ["x", 1], [None, 2], ["y", 3]]:
        merged.append(row)
    merged.merge_cells("A2:A3")
    book.create_sheet("Nothing")
    only = book.create_sheet("Header only")
    only.append(["a", "b"])
    bare = book.create_sheet("Bare")
    bare.append([1, "x"])
    bare.append([2.5, "y"])
    book.save(folder / "book.xlsx")

    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(["day"])
    book.active.append([dt.date(2024, 1, 31)])
    book.save(folder / "from-1904.xlsx")


def xls(folder):
    book = xlwt.Workbook()
    sheet = book.add_sheet("Kinds")
    formats = {dt.date: "yyyy-mm-dd", dt.datetime: "yyyy-mm-dd hh:mm:ss", dt.time: "hh:mm:ss", dt.timedelta: "[h]:mm:ss"}
    for number, row in enumerate([HEADER, *ROWS]):
        for column, value in enumerate(row):
            if value is None:
                continue
            style = xlwt.easyxf(num_format_str=formats.get(type(value), "General"))
            if isinstance(value, dt.timedelta):
                value = value / dt.timedelta(days=1)
            elif isinstance(value, dt.datetime):
                value = (value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
            elif isinstance(value, dt.date):
                value = (value - dt.date(1899, 12, 30)).days - (value < dt.date(1900, 3, 1))
            sheet.write(number, column, value, style)
    book.save(str(folder / "book.xls"))


def odd(folder):
    """Sheets that are odd, in the one format whose writer takes everything."""
    book = xlwt.Workbook()
    date = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    rows = {
        "Control": [["a", "b\x07"], [1, 2]],
        "One row": [["a", "b"], [1, "x"]],
        "Far": [["x", "n", "day"], [1e308, 12345678901234567890.0, (2, date)], [-1e-308, 2.0**53 + 2, (2958465, date)]],
    }
    for name, cells in rows.items():
        sheet = book.add_sheet(name)
        for number, row in enumerate(cells):
            for column, value in enumerate(row):
                sheet.write(number, column, *(value if isinstance(value, tuple) else (value,)))
    merged = book.add_sheet("Merged")
    merged.write(0, 0, "group")
    merged.write(0, 1, "n")
    merged.write_merge(1, 2, 0, 0, "x")
    for row, value in enumerate([1, 2, 3]):
        merged.write(row + 1, 1, value)
    book.save(str(folder / "odd.xls"))


def ods(folder):
    document = OpenDocumentSpreadsheet()
    table = Table(name="Kinds")
    for row in [HEADER, *ROWS]:
        line = TableRow()
        for value in row:
            if value is None:
                cell = TableCell()
            elif isinstance(value, bool):
                cell = TableCell(valuetype="boolean", booleanvalue=str(value).lower())
            elif isinstance(value, (int, float)):
                cell = TableCell(valuetype="float", value=repr(value))
            elif isinstance(value, dt.timedelta):
                cell = TableCell(valuetype="time", timevalue=f"PT0H0M{value.total_seconds()}S")
            elif isinstance(value, dt.time):
                cell = TableCell(valuetype="time", timevalue=value.strftime("PT%HH%MM%SS"))
            elif isinstance(value, dt.date):
                cell = TableCell(valuetype="date", datevalue=value.isoformat())
            else:
                cell = TableCell(valuetype="string")
                cell.addElement(P(text=value))
            line.addElement(cell)
        table.addElement(line)
    document.spreadsheet.addElement(table)
    document.save(str(folder / "book.ods"))


def record(kind, data=b""):
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, length = len(data), b""
    while True:
        size, low = size >> 7, size & 0x7F
        length += bytes([low | (0x80 if size else 0)])
        if not size:
            return head + length + data


def wide(text):
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(folder):
    cell = lambda column: struct.pack("<II", column, 0)
    row = lambda number: record(0, struct.pack("<I", number) + bytes(21))
    sheet = [record(0x81), record(0x94, struct.pack("<IIII", 0, 2, 0, 3)), record(0x91), row(0)]
    sheet += [record(7, cell(at) + struct.pack("<I", at)) for at in range(4)]
    sheet += [row(1), record(5, cell(0) + struct.pack("<d", 1.5)), record(2, cell(1) + struct.pack("<i", 42 << 2 | 2))]
    sheet += [record(4, cell(2) + b"\1"), record(6, cell(3) + wide("Zürich"))]
    sheet += [row(2), record(5, cell(0) + struct.pack("<d", -2.0)), record(1, cell(1)), record(6, cell(3) + wide("x"))]
    sheet += [record(0x92), record(0x82)]
    names = ["x", "n", "ok", "text"]
    strings = [record(0x9F, struct.pack("<II", 4, 4))] + [record(0x13, b"\0" + wide(name)) for name in names] + [record(0xA0)]
    workbook = [record(0x83), record(0x99, bytes(12)), record(0x8F), record(0x9C, struct.pack("<II", 0, 1) + wide("rId1") + wide("Kinds")), record(0x90), record(0x84)]
    relations = '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    with zipfile.ZipFile(folder / "book.xlsb", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("[Content_Types].xml", "<Types/>")
        out.writestr("xl/workbook.bin", b"".join(workbook))
        out.writestr("xl/_rels/workbook.bin.rels", relations.format('<Relationship Id="rId1" Type="t/worksheet" Target="worksheets/sheet1.bin"/>'))
        out.writestr("xl/worksheets/sheet1.bin", b"".join(sheet))
        out.writestr("xl/sharedStrings.bin", b"".join(strings))


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for write in [xlsx, xls, odd, ods, xlsb]:
    write(folder)
