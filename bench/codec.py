"""The codec beside bare msgpack, on the same values in the same process.

Prints, for each kind of chunk, how many times as long `encode_items` + `decode_items` take as
`msgpack.packb` + `msgpack.unpackb`: medians of interleaved rounds. Bare msgpack turns tuples into
lists and can't take dates and dataclasses at all, so for those it gets what is closest.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import msgpack

from pauseflow.codec import decode_items, encode_items, register

COUNT = 1024
ROUNDS = 15
REPEATS = 40


@register(name="bench.codec:Order")
@dataclass(frozen=True)
class Order:
    number: int
    customer: str
    total: float


START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
ORDERS = [Order(i, f"customer {i}", i * 0.25) for i in range(COUNT)]
MOMENTS = [START + dt.timedelta(seconds=i) for i in range(COUNT)]

CHUNKS: dict[str, tuple[list[object], list[object]]] = {}


def add(name: str, values: list[object], bare: list[object] | None = None) -> None:
    CHUNKS[name] = (values, values if bare is None else bare)


add("ints", list(range(1_000_000, 1_000_000 + COUNT)))
add("floats", [i * 0.1 for i in range(COUNT)])
add("strings", [f"string number {i}" for i in range(COUNT)])
add("bytes", [b"%d bytes" % i for i in range(COUNT)])
add(
    "small dicts",
    [
        {"id": i, "name": f"user {i}", "score": i * 0.5, "ok": True, "tag": None}
        for i in range(COUNT)
    ],
)
add(
    "dicts, small ints and ASCII only",
    [{"id": i % 100, "name": f"user {i}", "ok": True, "tag": None} for i in range(COUNT)],
)
add("lists", [[i, f"n{i}", [i * 0.5, None]] for i in range(COUNT)])
add("mixed with tuples", [(i, f"n{i}", (i * 0.5, None)) for i in range(COUNT)])
add("datetimes (bare: ISO strings)", list(MOMENTS), [moment.isoformat() for moment in MOMENTS])
add("dataclasses (bare: dicts)", list(ORDERS), [asdict(order) for order in ORDERS])
add("sets of strings (bare: lists)", [{f"a{i}", f"b{i}"} for i in range(COUNT)])
CHUNKS["sets of strings (bare: lists)"] = (
    CHUNKS["sets of strings (bare: lists)"][0],
    [[f"a{i}", f"b{i}"] for i in range(COUNT)],
)
add("one int", [7])
add("one small dict", [{"id": 7, "name": "user 7", "ok": True}])


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(REPEATS):
        work()
    return (time.perf_counter() - begin) / REPEATS


def measure(values: list[object], bare: list[object]) -> tuple[float, float, float, float]:
    packed = msgpack.packb(bare)
    encoded = encode_items(values)
    assert decode_items(len(values), encoded) == values
    rounds = [
        (
            seconds(lambda: msgpack.packb(bare)),
            seconds(lambda: msgpack.unpackb(packed)),
            seconds(lambda: encode_items(values)),
            seconds(lambda: decode_items(len(values), encoded)),
        )
        for _ in range(ROUNDS)
    ]
    pack, unpack, encode, decode = (
        statistics.median(column) for column in zip(*rounds, strict=True)
    )
    return pack, unpack, encode, decode


def main() -> None:
    print(f"{'1,024 records of':34} {'encode us':>10} {'decode us':>10} {'x bare msgpack':>15}")
    for name, (values, bare) in CHUNKS.items():
        pack, unpack, encode, decode = measure(values, bare)
        ratio = (encode + decode) / (pack + unpack)
        print(f"{name:34} {encode * 1e6:10.1f} {decode * 1e6:10.1f} {ratio:15.2f}")


if __name__ == "__main__":
    main()
