"""What stages keep outside of their records is found, and made as it was."""

import functools
import threading
from collections import Counter, defaultdict, deque
from types import SimpleNamespace

from pauseflow.testing.outside import Outside

LIST = [1]
SET = {1}
QUEUE = deque([1])
BYTES = bytearray(b"1")
COUNTS = Counter("a")
NESTED = defaultdict(list, {1: [1]})
NUMBER = 1
LOCK = threading.Lock()
UNTOUCHED = [1]


def of_globals(record):
    global NUMBER  # noqa: PLW0603 # what is to be found
    NUMBER += 1
    LIST.append(record)
    SET.add(record)
    QUEUE.append(record)
    BYTES.append(record)
    COUNTS[record] += 1
    NESTED[1].append(record)
    return UNTOUCHED, LOCK


def of_itself(record):
    of_itself.calls = getattr(of_itself, "calls", 0) + 1
    return record


of_itself.calls = 0


class Iterator:
    count = 0
    seen = []  # noqa: RUF012 # what is to be found

    def __init__(self, _record):
        Iterator.count += 1
        self.seen.append(1)

    def __iter__(self):
        return iter([])


class Adder:
    def __init__(self):
        self.sum = 0

    def add(self, record):
        self.sum += record
        return self.sum

    def __call__(self, record):
        return self.add(record)

    @classmethod
    def of_class(cls, record):
        cls.last = record

    last = 0


def default(record, before=[]):  # noqa: B006 # what is to be found
    before.append(record)


def outside_of(*functions):
    stages = [SimpleNamespace(fn=fn, name=f"s{n}") for n, fn in enumerate(functions)]
    return Outside(SimpleNamespace(stages=stages))


def test_globals_are_found_and_made_as_they_were():
    outside = outside_of(of_globals)
    assert outside.changed() == []
    of_globals(7)
    names = ("BYTES", "COUNTS", "LIST", "NESTED", "NUMBER", "QUEUE", "SET")
    assert outside.changed() == [f"the global {name!r} of {__name__}" for name in names]
    outside.restore()
    assert outside.changed() == []
    assert ([1], {1}, deque([1]), b"1") == (LIST, SET, QUEUE, BYTES)
    assert (Counter("a"), {1: [1]}, 1) == (COUNTS, NESTED, NUMBER)


def test_what_was_there_comes_back_after_a_look_at_the_beginning():
    outside = outside_of(of_globals)
    of_globals(7)
    with outside.afresh():
        assert LIST == [1]
        of_globals(8)
    assert LIST == [1, 7]
    outside.restore()


def test_objects_classes_functions_and_defaults_are_looked_at():
    adder, called = Adder(), Adder()

    class Slotted:
        __slots__ = ("x",)

        def __call__(self, record):
            return record

    functions = [
        adder.add, called, Adder.of_class, of_itself, default, Iterator,
        functools.partial(default, before=[]), print, Slotted(),
    ]  # fmt: skip
    outside = outside_of(*functions)
    assert outside.changed() == []
    for function in functions[:6]:
        function(3)
    assert set(outside.changed()) == {
        "the attribute 'sum' of the object whose method 's0' is",
        "the attribute 'sum' of the object whose method 's1' is",
        "the attribute 'last' of the class 'Adder'",
        "the attribute 'calls' of the function 'of_itself'",
        "a parameter's default of 'default'",
        "the attribute 'count' of the class 'Iterator'",
        "the attribute 'seen' of the class 'Iterator'",
    }
    outside.restore()
    assert outside.changed() == []
    assert (adder.sum, called.sum, Adder.last, of_itself.calls) == (0, 0, 0, 0)
    assert (Iterator.count, Iterator.seen, default.__defaults__) == (0, [], ([],))


def test_what_cannot_be_copied_and_what_is_not_there_is_left_alone():
    stuck = [threading.Lock()]

    def around(*, never):
        def inner(record):
            stuck.append(record)
            return later

        if never:
            later = 1
        return inner

    outside = outside_of(around(never=False))
    stuck.append(1)
    assert outside.changed() == []
