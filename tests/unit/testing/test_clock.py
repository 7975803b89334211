"""The virtual clock is the time while it is started, and leaves nothing behind."""

import sys
import time
import types
from datetime import UTC, date, datetime

import pytest

from pauseflow import Flow
from pauseflow.testing.clock import VirtualClock
from pauseflow.testing.dates import Dates, VirtualDate, VirtualDatetime

START = datetime(2031, 5, 17, 12, tzinfo=UTC)
REAL = (time.time, time.time_ns, datetime, date)


@pytest.fixture
def clock():
    clock = VirtualClock(START)
    clock.start()
    yield clock
    clock.stop()
    assert (time.time, time.time_ns) == REAL[:2]


def test_it_stands_still_until_it_is_put_forward(clock):
    assert time.time() == time.time() == START.timestamp()
    clock.advance(0.25)
    assert clock.now_ms() == START.timestamp() * 1000 + 250
    assert time.time_ns() == clock.now_ms() * 1_000_000
    assert clock.now().year == 2031


def test_the_last_one_started_is_the_time(clock):
    other = VirtualClock(datetime(2040, 1, 1, tzinfo=UTC))
    other.start()
    assert time.time() == other.time()
    clock.stop()
    assert time.time() == other.time()
    other.stop()
    assert time.time is REAL[0]
    other.stop()


def test_one_that_runs_goes_on_by_itself():
    clock = VirtualClock(running=True)
    before = clock.time()
    clock.advance(60)
    assert 60 <= clock.time() - before < 120
    assert clock.time() <= clock.time()


def test_dates_of_a_module_are_replaced_and_put_back(clock):
    module = types.ModuleType("of_an_author")
    source = (
        "import datetime\n"
        "from datetime import date, datetime as moment\n"
        "from time import time, time_ns\n"
        "def now(_):\n"
        "    return [date.today(), moment.utcnow(), datetime.datetime.now(), time(), time_ns()]\n"
        "class Now:\n"
        "    def __call__(self, _): return now(_)\n"
    )
    exec(source, vars(module))
    sys.modules["of_an_author"] = module
    before = dict(vars(module))
    flow = Flow("f")
    flow.map(module.now).map(module.Now(), name="again")
    dates = Dates()
    dates.follow(flow.graph)
    dates.follow(flow.graph)
    naive = START.replace(tzinfo=None)
    local = START.astimezone().replace(tzinfo=None)
    seconds = START.timestamp()
    assert module.now(0) == [local.date(), naive, local, seconds, int(seconds * 1e9)]
    dates.stop()
    assert vars(module) == before
    assert module.date is date
    del sys.modules["of_an_author"]


def test_what_stands_in_for_dates_is_like_them():
    assert isinstance(START, VirtualDatetime)
    assert isinstance(START, VirtualDate)
    assert issubclass(datetime, VirtualDatetime)
    assert VirtualDatetime == datetime
    assert hash(VirtualDatetime) == hash(datetime)
    assert type(VirtualDatetime(2031, 5, 17)) is datetime
    assert type(VirtualDatetime.fromisoformat("2031-05-17")) is datetime
    assert type(VirtualDate.fromisoformat("2031-05-17")) is date
    assert VirtualDatetime.max == datetime.max
