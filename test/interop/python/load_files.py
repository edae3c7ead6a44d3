"""Makes files that loads read, with pyarrow, csv and zstandard, and what their rows are.

    load_files.py FOLDER SEED ROWS

Beside each file NAME stands NAME.rows.json: a list of [key, {column: value}], key and values in base64, as
docs/FORMATS.md wants them. The texts are made here from Python's own values, so that nothing of the reader is used.
"""

import base64
import csv
import datetime
import decimal
import gzip
import io
import json
import random
import struct
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

EPOCH = datetime.datetime(1970, 1, 1)
UTC = datetime.timezone.utc


def b64(value):
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def plain(number):
    """The shortest decimal of a double, without an exponent."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    text = format(decimal.Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain32(number):
    """The same for a float of 32 bits: as many digits as tell it from its neighbours."""
    if number != number or number in (float("inf"), float("-inf")):
        return plain(number)
    for digits in range(6, 10):
        context = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_UP)
        short = float(context.create_decimal(number))
        if struct.unpack("f", struct.pack("f", short))[0] == number:
            return plain(short)
    raise ValueError(number)


def nested(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def instant(ticks, digits, zone):
    seconds, part = divmod(ticks, 10**digits)
    moment = EPOCH + datetime.timedelta(seconds=seconds)
    return f"{moment.isoformat(timespec='seconds')}.{part:0{digits}d}{zone}"


class Columns:
    """Random columns: their values as pyarrow takes them, and as text or bytes."""

    def __init__(self, seed, rows):
        self.random = random.Random(seed)
        self.rows = rows
        self.arrays = {}
        self.texts = {}
        self.make()

    def add(self, name, kind, make, text, nulls=0.2):
        values = [None if self.random.random() < nulls else make(row) for row in range(self.rows)]
        self.arrays[name] = pa.array(values, kind)
        self.texts[name] = [None if value is None else text(value) for value in values]

    def word(self, size=12):
        letters = "abcxyz \"',\\\n\t0é中\U0001f600"
        return "".join(self.random.choice(letters) for _ in range(self.random.randrange(size)))

    def make(self):
        r = self.random
        self.add("id", pa.string(), lambda row: f"key-{row:06d}", str, 0)
        self.add("text", pa.string(), lambda row: self.word(), str)
        self.add("large", pa.large_string(), lambda row: self.word(200), str)
        self.add("same", pa.string(), lambda row: "the same", str, 0)
        self.add("bytes", pa.binary(), lambda row: r.randbytes(r.randrange(20)), bytes)
        self.add("fixed", pa.binary(5), lambda row: r.randbytes(5), bytes)
        self.add("bool", pa.bool_(), lambda row: r.random() < 0.5, lambda v: "true" if v else "false")
        for bits in (8, 16, 32, 64):
            top = 2 ** (bits - 1)
            self.add(f"int{bits}", getattr(pa, f"int{bits}")(), lambda row: r.randrange(-top, top), str)
            self.add(f"uint{bits}", getattr(pa, f"uint{bits}")(), lambda row: r.randrange(2 * top), str)
        self.add("rising", pa.int64(), lambda row: row * 7 - 3, str, 0)
        self.add("half", pa.float16(), lambda row: r.randrange(-1024, 1024) / 8, plain)
        self.add("single", pa.float32(), self.single, plain32)
        self.add("double", pa.float64(), self.double, plain)
        self.add("price", pa.decimal128(12, 3), lambda row: self.decimal(12, 3), lambda v: format(v, "f"))
        self.add("short", pa.decimal128(9, 2), lambda row: self.decimal(9, 2), lambda v: format(v, "f"))
        self.add("long", pa.decimal256(50, 10), lambda row: self.decimal(50, 10), lambda v: format(v, "f"))
        self.add("date", pa.date32(), lambda row: r.randrange(-100000, 100000), self.date)
        for unit, digits in (("ms", 3), ("us", 6), ("ns", 9)):
            ticks = lambda row: r.randrange(-(10 ** (digits + 8)), 10 ** (digits + 8))
            self.add(f"utc_{unit}", pa.timestamp(unit, "UTC"), ticks, lambda v: instant(v, digits, "Z"))
            self.add(f"local_{unit}", pa.timestamp(unit), ticks, lambda v: instant(v, digits, ""))
        self.add("time_ms", pa.time32("ms"), lambda row: r.randrange(86_400_000), lambda v: self.time(v, 3))
        self.add("time_us", pa.time64("us"), lambda row: r.randrange(86_400_000_000), lambda v: self.time(v, 6))
        self.add("time_ns", pa.time64("ns"), lambda row: r.randrange(86_400_000_000_000), lambda v: self.time(v, 9))
        ints = lambda row: [self.maybe(r.randrange(-9, 9)) for _ in range(r.randrange(4))]
        self.add("list", pa.list_(pa.int64()), ints, nested)
        lists = lambda row: [self.maybe(ints(row)) for _ in range(r.randrange(3))]
        self.add("lists", pa.list_(pa.list_(pa.int64())), lists, nested)
        point = pa.struct([("x", pa.int32()), ("name", pa.string()), ("tags", pa.list_(pa.string()))])
        points = lambda row: {
            "x": self.maybe(row),
            "name": self.maybe(self.word()),
            "tags": self.maybe([self.maybe(self.word(4)) for _ in range(r.randrange(3))]),
        }
        self.add("struct", point, points, nested)
        self.add("structs", pa.list_(point), lambda row: [self.maybe(points(row)) for _ in range(r.randrange(3))], nested)
        pairs = lambda row: [(f"k{i}", self.maybe(i)) for i in range(r.randrange(4))]
        self.add("map", pa.map_(pa.string(), pa.int64()), pairs, lambda v: nested(dict(v)))
        numbers = lambda row: [(i, self.maybe(self.word(3))) for i in range(r.randrange(3))]
        self.add("numbers", pa.map_(pa.int32(), pa.string()), numbers, lambda v: nested([list(p) for p in v]))

    def maybe(self, value):
        return None if self.random.random() < 0.2 else value

    def single(self, row):
        special = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 0.1, 1e-40, 3.4e38, 16777216.0]
        value = self.random.choice([*special, self.random.uniform(-1e6, 1e6), self.random.uniform(-1, 1)])
        return struct.unpack("f", struct.pack("f", value))[0]

    def double(self, row):
        special = [0.0, -0.0, float("nan"), float("inf"), 0.1, 1e-300, 1e300, 2.0**53, 5e-324]
        return self.random.choice([*special, self.random.uniform(-1e6, 1e6), self.random.random()])

    def decimal(self, precision, scale):
        unscaled = self.random.randrange(-(10**precision) + 1, 10**precision)
        with decimal.localcontext(decimal.Context(prec=100)):
            return decimal.Decimal(unscaled).scaleb(-scale)

    @staticmethod
    def date(days):
        return (EPOCH + datetime.timedelta(days=days)).date().isoformat()

    @staticmethod
    def time(ticks, digits):
        return instant(ticks, digits, "")[11:]

    def table(self, names=None):
        return pa.table({name: self.arrays[name] for name in names or self.arrays})

    def expected(self, names=None):
        rows = []
        for row in range(self.rows):
            values = {name: self.texts[name][row] for name in names or self.texts if name != "id"}
            rows.append([self.texts["id"][row], {name: value for name, value in values.items() if value is not None}])
        return rows


def write_rows(path, rows):
    encoded = [[b64(key), {name: b64(value) for name, value in columns.items()}] for key, columns in rows]
    with open(f"{path}.rows.json", "w") as file:
        json.dump(encoded, file, indent=0)


def parquet_files(folder, columns):
    full = columns.table()
    rows = columns.expected()
    variants = {
        "none": {"compression": "NONE", "store_schema": False},
        "snappy": {"compression": "SNAPPY"},
        "gzip": {"compression": "GZIP", "data_page_size": 1000, "write_batch_size": 50},
        "brotli": {"compression": "BROTLI", "use_dictionary": False},
        "zstd": {"compression": "ZSTD", "data_page_version": "2.0", "data_page_size": 1000, "write_batch_size": 50},
        "lz4": {"compression": "LZ4", "write_page_checksum": True},
        "old": {"version": "1.0", "use_deprecated_int96_timestamps": True, "compression": "SNAPPY"},
        "second": {"data_page_version": "2.0", "compression": "NONE", "use_dictionary": False, "write_page_checksum": True},
    }
    for name, options in variants.items():
        table, expected = full, rows
        if name == "old":
            # Of such files only the timestamps in nanoseconds keep their value and lose their zone.
            names = [column for column in columns.arrays if not column.startswith(("utc", "local", "uint32", "time"))]
            names.append("local_ns")
            table, expected = columns.table(names), columns.expected(names)
        path = f"{folder}/{name}.parquet"
        pq.write_table(table, path, row_group_size=max(columns.rows // 3, 1), **options)
        write_rows(path, expected)
    flat = ["id", "rising", "int32", "int64", "text", "large", "single", "double", "bool", "fixed"]
    for name, encodings in {
        "delta": {"id": "DELTA_BYTE_ARRAY", "rising": "DELTA_BINARY_PACKED", "int32": "DELTA_BINARY_PACKED", "int64": "DELTA_BINARY_PACKED", "text": "DELTA_LENGTH_BYTE_ARRAY", "large": "DELTA_BYTE_ARRAY", "fixed": "DELTA_BYTE_ARRAY", "bool": "RLE"},
        "split": {"single": "BYTE_STREAM_SPLIT", "double": "BYTE_STREAM_SPLIT", "int32": "BYTE_STREAM_SPLIT", "int64": "BYTE_STREAM_SPLIT", "fixed": "BYTE_STREAM_SPLIT"},
    }.items():
        for version in ("1.0", "2.0"):
            path = f"{folder}/{name}-{version}.parquet"
            pq.write_table(columns.table(flat), path, use_dictionary=False, column_encoding=encodings, data_page_version=version, data_page_size=700, write_batch_size=50)
            write_rows(path, columns.expected(flat))


def delimited_files(folder, columns):
    names = ["id", "same", "text", "large", "int64", "double", "date"]
    rows = columns.expected(names)
    for name, options in {
        "plain.csv": {},
        "unix.csv": {"dialect": "unix"},
        "excel.tsv": {"dialect": "excel-tab"},
        "lines.csv": {"lineterminator": "\n", "quoting": csv.QUOTE_NONNUMERIC},
    }.items():
        path = f"{folder}/{name}"
        with open(path, "w", newline="", encoding="utf-8-sig" if name == "plain.csv" else "utf-8") as file:
            writer = csv.writer(file, **options)
            writer.writerow(names)
            for key, values in rows:
                writer.writerow([key, *[values.get(column) for column in names[1:]]])
        # The writer makes an empty text and None the same; quoted everywhere, it is an empty value.
        quoted = options.get("dialect") == "unix" or options.get("quoting") == csv.QUOTE_NONNUMERIC
        expected = []
        for key, values in rows:
            found = {column: values.get(column) or "" for column in names[1:]}
            expected.append([key, {column: value for column, value in found.items() if value != "" or quoted}])
        write_rows(path, expected)


def packed_files(folder, columns):
    names = ["id", "text", "same", "int32"]
    rows = columns.expected(names)
    lines = io.StringIO()
    for key, values in rows:
        lines.write(json.dumps({"id": key, **values}, ensure_ascii=False) + "\n")
    content = lines.getvalue().encode()
    half = content.index(b"\n", len(content) // 2) + 1
    compress = lambda data, **options: zstandard.ZstdCompressor(**options).compress(data)
    stream = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
    streamed = stream.compress(content) + stream.flush()
    long = zstandard.ZstdCompressionParameters.from_level(3, window_log=24, enable_ldm=True, write_checksum=1)
    long_stream = zstandard.ZstdCompressor(compression_params=long).compressobj()
    skippable = struct.pack("<II", 0x184D2A53, 5) + b"aside"
    files = {
        "one.ndjson.gz": gzip.compress(content, 9),
        "members.ndjson.gz": gzip.compress(content[:half]) + gzip.compress(b"") + gzip.compress(content[half:], 1),
        "one.ndjson.zst": compress(content, level=3, write_checksum=True),
        "high.ndjson.zst": compress(content, level=19, write_checksum=False),
        "stream.ndjson.zst": streamed,
        "long.ndjson.zst": long_stream.compress(content) + long_stream.flush(),
        "frames.ndjson.zst": skippable + compress(content[:half]) + compress(b"") + skippable + compress(content[half:], write_checksum=True),
        "tiny.ndjson.zst": b"".join(compress(line, write_checksum=True) for line in content.splitlines(True)),
    }
    for name, data in files.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(data)
        write_rows(f"{folder}/{name}", [[key, {n: v for n, v in values.items() if n != "id"}] for key, values in rows])


if __name__ == "__main__":
    folder, seed, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    made = Columns(seed, rows)
    parquet_files(folder, made)
    delimited_files(folder, made)
    packed_files(folder, made)
    print("ok")
