"""Graphs by hand, in few words."""

import random

from pauseflow.graph import Graph, Kind, Outlet, Stage


def stage(name, kind="map", **options):
    return Stage(name=name, kind=Kind(kind), fn=print, **options)


def markers(target):
    return Outlet(target, records=False, markers=True)


class Named(Outlet):
    """An outlet with a name, as a route has them."""

    __slots__ = ("name",)

    def __init__(self, target, name):
        super().__init__(target)
        object.__setattr__(self, "name", name)


def graph(text, *stages, name="shape", **outlets):
    """A graph from lines such as `a > b > c, d`: b leads to c and to d. `RESULTS` are results.

    Args:
        text: the lines.
        stages: those that are not plain maps.
        name: the flow's.
        outlets: more of them, by their stage.
    """
    made = {each.name: each for each in stages}
    leads = {each: list(more) for each, more in outlets.items()}
    for line in text.strip().splitlines():
        groups = [[each.strip() for each in part.split(",")] for part in line.split(">")]
        for above, below in zip(groups, [*groups[1:], []], strict=True):
            for source in above:
                if source != "RESULTS":
                    made.setdefault(source, stage(source))
                outlets_of = leads.setdefault(source, [])
                outlets_of += [Outlet(None if to == "RESULTS" else to) for to in below]
    return Graph(name, made.values(), {key: tuple(value) for key, value in leads.items()})


def fan(width):
    leaves = ", ".join(f"leaf{at}" for at in range(width))
    return graph(f"root > {leaves} > together > RESULTS")


def chain(length):
    return graph(" > ".join(f"s{at}" for at in range(length)) + " > RESULTS")


def tangle(size, seed=0, reach=12):
    """Each stage below one or two of the few before it."""
    chance = random.Random(seed)
    lines = []
    for at in range(1, size):
        above = {chance.randrange(max(0, at - reach), at) for _ in range(chance.choice([1, 1, 2]))}
        lines += [f"s{each} > s{at}" for each in sorted(above)]
    return graph("\n".join(lines or ["s0"]))
