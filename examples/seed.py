"""The three flows of the mail that pauseflow comes from, in today's spelling.

Run it:

    python examples/seed.py

The mail is "more thoughts on resumable async data flows" by Clark C. Evans, on the Twisted-Python
list, 14 March 2003.
"""

from collections.abc import Iterator
from typing import Self

from pauseflow import Flow, PauseFlow


def print_result(data: int) -> None:
    print(data)


def add_one(data: int) -> int:
    return data + 1


def finished() -> None:
    print("finished")


def data_source(data: int) -> list[int]:
    return [1, 1 + data, 1 + data * 2]


a = Flow("a")
a.branch(data_source, finished=finished).map(add_one).each(print_result)


def simple_generator(data: int) -> Iterator[int]:
    yield from range(data)


b = Flow("b")
b.branch(simple_generator).each(print_result)


class SimpleIterator:
    """Counts down, and stops the whole flow at each odd number.

    The number is lost, since the object has counted on when it raises: that is how the mail has it.
    """

    def __init__(self, data: int) -> None:
        self.data = data

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        if self.data < 0:
            raise StopIteration
        result = self.data
        self.data -= 1
        # Imagine a blocking operation here, sometimes.
        if result % 2:
            raise PauseFlow
        return result


c = Flow("c")
c.branch(SimpleIterator).each(print_result)


if __name__ == "__main__":
    a.run(2)
    a.run(8)
    b.run(3)
    c.run(5)
