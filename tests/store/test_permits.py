"""Permits: what rates and limits allow, and to whom."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pauseflow.limits import Rate
from pauseflow.store.keys import Keys
from pauseflow.store.permits import Demand, Permits, Source
from support.permits import SECOND, Race
from support.servers import fake_server

START = 1_000 * SECOND
KEYS = Keys()
RATE = Source("rate:f/s:k", 2, 100_000)
LIMIT = Source("limit:f/s:k", 3)
BOTH = [(1, 2)]


class Asking:
    """One worker with a lease, under a virtual clock that only a test moves."""

    def __init__(self, wire, name="w"):
        self.wire, self.permits = wire, Permits(KEYS, name)
        self.at(0)

    def at(self, ms):
        """Moves the clock to so many ms after the start, and renews the lease."""
        self.permits.now_us = START + ms * 1000
        lease = ("ZADD", KEYS.leases, self.permits.now_us // 1000 + 2_500, self.permits._worker)
        self.wire.call(lease)
        return self

    def ask(self, items, *sources, run="r", **options):
        """For each record 0, or in how many ms it should ask again; and the number of lanes."""
        demand = Demand(run, items, sources, **options)
        grant = self.permits.granted(self.wire.call(self.permits.admit(demand)))
        assert grant.at == self.permits.now_us
        now = grant.at // 1000
        return [wake and (wake - now if wake > 0 else wake + now) for wake in grant.wakes], grant

    def wakes(self, items, *sources, **options):
        return self.ask(items, *sources, **options)[0]

    def leave(self, admitted_ms, *sources, unused=None, run="r"):
        unused = unused or [0] * len(sources)
        at = START + admitted_ms * 1000
        return self.wire.call(self.permits.leave(run, at, sources, unused))


@pytest.fixture
def worker(wire):
    yield Asking(wire)
    wire.call(("FLUSHALL",))


def test_a_rate_gives_its_burst_and_then_a_permit_an_interval(worker):
    assert worker.wakes([(1, 0)] * 5, RATE) == [0, 0, 100]
    assert worker.at(100).wakes([(1, 0)] * 5, RATE) == [0, 200 - 100]
    assert worker.at(100_000).wakes([(1, 0)] * 2, RATE) == [0, 0]


def test_where_records_do_not_wait_for_each_other_each_gets_a_time_of_its_own(worker):
    assert worker.wakes([(1, 0)] * 5, RATE, prefix=False) == [0, 0, 100, 200, 300]
    assert worker.wakes([(1, 0)] * 2, RATE, prefix=False) == [400, 500]
    assert worker.wakes([(1, 0)], RATE, prefix=False, run="other") == [100]


def test_a_chunk_that_waits_comes_back_for_half_a_burst(worker):
    rate = Source("rate:x", 10, 1_000)
    assert worker.wakes([(1, 0)] * 40, rate) == [0] * 10 + [5]
    assert worker.wakes([(1, 0)] * 40, rate) == [10]
    assert worker.wakes([(1, 0)] * 3, rate) == [13]


def test_what_comes_a_little_early_does_not_lose_its_place(worker):
    one = Source("rate:x", 1, 100_000)
    assert worker.wakes([(1, 0)], one) == [0]
    assert worker.wakes([(1, 0)], one) == [100]
    assert worker.wakes([(1, 0)], one) == [200]
    assert worker.at(90).wakes([(1, 0)], one) == [10]
    assert worker.at(101).wakes([(1, 0)], one) == [0]


def test_records_under_no_rate_run_and_keys_stand_apart(worker):
    other = Source("rate:f/s:other", 1, 100_000)
    items = [(0, 0), (1, 0), (1, 0), (1, 0), (2, 0), (2, 0), (0, 0)]
    assert worker.wakes(items, RATE, other, prefix=False) == [0, 0, 0, 100, 0, 100, 0]
    assert worker.wakes(items, RATE, other) == [0, 200]


def test_a_limit_gives_slots_until_there_are_no_more(worker, wire):
    items = [(0, 1)] * 5
    assert worker.wakes(items, LIMIT, lanes=2) == [0] * 5, "two lanes take turns"
    second = Asking(wire, "w2")
    assert second.wakes(items, LIMIT, lanes=2, prefix=False) == [0, -10, -20, -30, -40]
    assert wire.call(("HVALS", KEYS.prefix + LIMIT.name)) == [b"2", b"1"]
    assert Asking(wire, "w3").wakes(items, LIMIT) == [-50]
    assert worker.leave(0, LIMIT) == 2
    assert second.leave(0, LIMIT) == 1


def test_a_worker_gets_fewer_lanes_where_all_its_records_are_under_one_limit(worker, wire):
    whole = Source("limit:f/s", 5, whole=True)
    assert worker.ask([(0, 1)] * 9, whole, lanes=3)[1].lanes == 3
    wakes, grant = Asking(wire, "w2").ask([(0, 1)] * 9, whole, lanes=8)
    assert (wakes, grant.lanes) == ([0] * 9, 2)
    wakes, grant = Asking(wire, "w3").ask([(0, 1)] * 9, whole, lanes=8)
    assert wakes == [-10]


def test_slots_of_workers_without_a_lease_are_free(worker, wire):
    gone = Asking(wire, "gone")
    assert gone.wakes([(0, 1)] * 3, LIMIT, lanes=3) == [0, 0, 0]
    assert worker.at(2_400).wakes([(0, 1)], LIMIT) == [-10]
    assert worker.at(2_500).wakes([(0, 1)] * 3, LIMIT, lanes=3) == [0, 0, 0]
    assert wire.call(("HKEYS", KEYS.prefix + LIMIT.name)) == [b"w"]
    assert gone.leave(0, LIMIT) == 0, "late, and taken over"
    assert wire.call(("HGETALL", KEYS.prefix + LIMIT.name)) == [b"w", b"3"]


def test_leaving_twice_or_never_having_come_frees_nothing(worker, wire):
    assert worker.leave(0, LIMIT, RATE) == 0
    worker.ask([(0, 1)], LIMIT)
    assert worker.leave(0, LIMIT) == 1
    assert worker.leave(0, LIMIT) == 0
    assert wire.call(("KEYS", KEYS.prefix + "*limit*")) == []


def test_a_slot_that_was_not_freed_does_not_hinder_its_own_worker(worker):
    full = Source("limit:x", 1)
    assert worker.wakes([(0, 1)], full) == [0]
    assert worker.wakes([(0, 1)], full) == [0]
    assert worker.leave(0, full) == 1


def test_a_record_needs_both_and_takes_neither_without_the_other(worker, wire):
    assert worker.wakes(BOTH * 3, RATE, LIMIT, lanes=3, prefix=False) == [0, 0, 100]
    assert worker.leave(0, LIMIT) == 2
    Asking(wire, "w2").ask([(0, 1)] * 3, LIMIT, lanes=3)
    assert worker.at(1_000).wakes(BOTH * 2, RATE, LIMIT) == [-10]
    assert wire.call(("GET", KEYS.prefix + RATE.name)) in (None, b"%d" % (START + 200_000))


@pytest.mark.parametrize(
    ("after", "others", "expected"),
    [
        (0, 0, [0, 0, 100]),
        (50, 0, [0, 0, 100]),
        (100, 1, [0, 100]),
        (150, 1, [0, 100]),
        (200, 2, [100]),
    ],
)
def test_permits_that_come_back_are_worth_less_as_time_goes_by(worker, after, others, expected):
    """What the rate gave to others meanwhile in their place is not given a second time."""
    assert worker.wakes([(1, 0)] * 2, RATE) == [0, 0]
    worker.at(after)
    if others:
        assert worker.wakes([(1, 0)] * others, RATE) == [0] * others
    worker.leave(0, RATE, unused=[2])
    assert worker.wakes([(1, 0)] * 3, RATE) == expected


def test_permits_that_come_back_make_no_more_than_the_burst(worker):
    assert worker.wakes([(1, 0)], RATE) == [0]
    for _ in range(3):
        worker.leave(0, RATE, unused=[50])
    assert worker.wakes([(1, 0)] * 3, RATE) == [0, 0, 100]


def test_a_rate_that_was_raised_counts_at_once(worker):
    slow = Source(RATE.name, 1, 3_600 * SECOND)
    worker.ask([(1, 0)], slow)
    waits = worker.wakes([(1, 0)] * 9, slow, prefix=False)
    assert all(1_800_000 <= wait <= 5_400_000 for wait in waits), "it will be noticed before long"
    assert worker.wakes([(1, 0)], RATE, run="other") == [100]
    assert worker.at(200).wakes([(1, 0)], RATE, run="other") == [0]


def test_a_clock_that_is_set_back_does_not_stop_a_rate(worker):
    worker.at(7_200_000).ask([(1, 0)] * 5, RATE, prefix=False)
    assert worker.at(0).wakes([(1, 0)], RATE, run="other") == [100]
    assert worker.at(100).wakes([(1, 0)], RATE, run="other") == [0]


def test_nothing_stays(worker, wire):
    worker.ask([(1, 0)] * 5, RATE)
    worker.ask([(0, 1)], Source("limit:f/s:k", 1))
    Asking(wire, "w2").ask([(0, 1)], Source("limit:f/s:k", 1), run="q")
    left = [key for key in wire.call(("KEYS", "*")) if key.decode() != KEYS.leases]
    assert len(left) == 6
    lives = {key.decode(): wire.call(("PTTL", key)) for key in left}
    assert 1_000 < lives[KEYS.prefix + RATE.name] <= 1_200
    shared = [life for name, life in lives.items() if "turns:" in name or "wakes:" in name]
    assert len(shared) == 4
    assert all(0 < life < 61_000 for life in shared)
    assert 0 < lives[KEYS.prefix + "limit:f/s:k"] <= 7 * 86_400_000


def test_the_servers_clock_is_the_measure(worker, wire):
    permits = Permits(KEYS, "w")
    seconds, micros = wire.call(("TIME",))
    grant = permits.granted(wire.call(permits.admit(Demand("r", [(1, 0)] * 3, [RATE]))))
    assert 0 <= grant.at - (int(seconds) * SECOND + int(micros)) < 5 * SECOND
    assert grant.wakes[:2] == (0, 0)
    assert 0 <= grant.wakes[2] * 1000 - grant.at - 100_000 < 1_000


def test_a_run_that_had_less_goes_first(worker):
    one = Source("rate:x", 1, 100_000)
    for _ in range(5):
        worker.ask([(1, 0)], one, run="big")
    worker.ask([(1, 0)], one, run="small")
    for at in (100, 200):
        assert worker.at(at).wakes([(1, 0)], one, run="big") == [0]
    assert worker.at(300).wakes([(1, 0)], one, run="big") != [0], "small waits, and had none"
    assert worker.wakes([(1, 0)], one, run="small") == [0]
    assert worker.at(400).wakes([(1, 0)], one, run="big") == [0], "small has nothing left"


def test_a_permit_that_nobody_fetches_is_for_anybody(worker):
    one = Source("rate:x", 1, 100_000)
    for _ in range(5):
        worker.ask([(1, 0)], one, run="big")
    for _ in range(9):
        worker.ask([(1, 0)], one, run="gone")
    for at in (100, 200):
        assert worker.at(at).wakes([(1, 0)], one, run="big") == [0]
    assert worker.at(310).wakes([(1, 0)], one, run="big") != [0]
    assert worker.at(400).wakes([(1, 0)], one, run="big") == [0]
    assert worker.at(500).wakes([(1, 0)], one, run="big") == [0]


asks = st.tuples(
    st.integers(0, 400_000),
    st.integers(1, 8),
    st.sampled_from("ab"),
    st.integers(0, 8),
    st.integers(0, 300_000),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["10/s", "7/s", "50/s", "3/min"]), st.integers(1, 5), st.lists(asks))
def test_no_stretch_of_time_has_more_than_the_burst_and_the_rate(text, burst, given_asks):
    """However records ask, and whatever they hand back however late."""
    rate = Rate(text, burst=burst)
    source = Source("rate:x", rate.burst, rate.interval)
    wire, permits = fake_server().wire(), Permits(KEYS, "w")
    now, used, returns = START, [], []
    for gap, count, run, unused, hold in given_asks:
        now += gap
        for due, command in sorted(returns, key=lambda each: each[0]):
            if due <= now:
                permits.now_us = due
                wire.call(permits.leave(*command))
        returns = [each for each in returns if each[0] > now]
        permits.now_us = now
        grant = permits.granted(wire.call(permits.admit(Demand(run, [(1, 0)] * count, [source]))))
        granted = grant.wakes.count(0)
        back = min(unused, granted)
        used += [now] * (granted - back)
        if back:
            returns.append((now + hold, (run, now, [source], [back])))
    for first in range(len(used)):
        for last in range(first, len(used)):
            stretch = used[last] - used[first]
            assert last - first + 1 <= burst + stretch * rate.count / rate.period


@pytest.mark.parametrize(
    ("text", "late"), [("10/min", 0), ("10/s", 5_000), ("10/s", 50_000), ("100/s", 5_000)]
)
def test_a_small_run_does_not_wait_for_a_big_one(text, late):
    rate = Rate(text)
    source = Source("rate:x", rate.burst, rate.interval)
    race = Race(fake_server().wire(), source, late=late)
    race.submit("big", 1_000)
    comes = 10 * rate.interval
    race.submit("small", 5, at=comes)
    race.go_on(begun=200)
    fair = 2 * 5 * rate.interval
    assert race.times("small")[4] - comes <= 2 * fair
    whole = (race.now - START) / rate.interval + rate.burst
    assert len(race.begun) >= 0.75 * whole, "the rate is used"
    assert race.asks - 1_005 <= 3 * len(race.begun)


def test_many_runs_share_a_rate_alike():
    source = Source("rate:x", 1, 100_000)
    race = Race(fake_server().wire(), source)
    race.submit("big", 100)
    for number in range(10):
        race.submit(f"small{number}", 8, at=3 * source.interval)
    race.go_on()
    assert len(race.begun) == 180
    shares = defaultdict(int)
    for _, run in race.begun[10:80]:
        shares[run] += 1
    assert max(shares.values()) <= 2 * min(shares.values())
    assert race.now - START < 1.5 * 180 * source.interval
    assert race.asks < 10 * 180


def test_a_cancelled_run_does_not_hold_up_the_others():
    source = Source("rate:x", 1, 100_000)
    race = Race(fake_server().wire(), source)
    race.submit("gone", 100)
    race.submit("stays", 60)
    race.go_on(begun=20)
    race.cancel("gone")
    race.go_on()
    assert len(race.times("stays")) == 60
    assert race.now - START < 1.3 * 70 * source.interval


@pytest.mark.parametrize("work", [20_000, 1_000_000])
def test_a_limit_is_kept_used_and_shared(work):
    source = Source("limit:x", 3)
    race = Race(fake_server().wire(), source, work=work)
    race.submit("big", 120)
    race.submit("small", 5, at=3 * work)
    race.go_on()
    begun = [at for at, _ in race.begun]
    assert len(begun) == 125
    for at in begun:
        assert sum(1 for other in begun if other <= at < other + work) <= 3
    assert begun[-1] - START < 2 * 125 / 3 * work
    fair = 2 * 5 / 3 * work
    assert race.times("small")[4] - 3 * work <= 2 * fair
