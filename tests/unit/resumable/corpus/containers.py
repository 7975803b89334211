from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, datetime
from decimal import Decimal

from corpus.world import case, tick


@case(3)
def shared_list(n):
    inner = []
    outer = [inner, inner]
    for i in range(n):
        inner.append(tick(i))
        yield outer


@case(3)
def shared_in_dict(n):
    groups = {}
    for i in range(n):
        group = groups.setdefault(i % 2, [])
        yield groups
        group.append(tick(i))
        yield group


@case(2)
def cycle(n):
    node = {"children": []}
    node["children"].append(node)
    yield n
    tick("in between")
    yield node["children"][0] is node


@case(3)
def with_deque(n):
    queue = deque([n], maxlen=5)
    while queue:
        item = queue.popleft()
        if item:
            queue.extend([item - 1, item - 1])
        yield tick(item)


@case(3)
def special_dicts(n):
    counts = Counter()
    lists = defaultdict(list)
    ordered = OrderedDict()
    for i in range(n):
        counts[i % 2] += 1
        lists[i % 2].append(i)
        ordered[i] = tick(i)
        ordered.move_to_end(0)
        yield sorted(counts.items()), dict(lists), list(ordered)


@case(3)
def plain_values(n):
    values = (1, 2.5, "s", b"b", None, True, {1, 2}, frozenset((3,)), (1, [2]), 1 << 80)
    when, price = datetime(2024, 1, 2, tzinfo=UTC), Decimal("1.50")
    for _ in range(n):
        yield values
        yield when, tick(price)


@case(2)
def with_bytearray(n):
    buffer = bytearray(b"ab")
    for i in range(n):
        buffer.append(i)
        yield bytes(buffer)
        tick(i)


@case(["a", ["b", ["c"]], "d"])
def explicit_stack(tree):
    stack = [iter(tree)]
    while stack:
        try:
            item = next(stack[-1])
        except StopIteration:
            stack.pop()
            continue
        if isinstance(item, list):
            stack.append(iter(item))
        else:
            yield tick(item)


@case({"a": 1, "b": 2, "c": 3})
def live_dict(table):
    for key, value in table.items():
        yield key, value
        table[key] = tick(value * 2)
    yield table


@case({"a": 1, "b": 2, "c": 3})
def later_values(table):
    for key in table:
        table["c"] = tick(table["c"] + 1)
        yield key, table[key]


@case({"a": 1, "b": 2})
def dead_names(table):
    handle = object()
    yield str(type(handle))[:7]
    names = list(table)
    for name in names:
        connection = object()
        del connection
        tick(name)
        yield name
