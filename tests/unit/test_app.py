import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow.app import load
from pauseflow.errors import AppError, UnknownName

ORDERS = """
from pauseflow.flow import Flow

def double(x):
    return 2 * x

orders = Flow("orders")
orders.map(double)
end_of_line = Flow("invoices").map(double)
same_again = orders
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "shop_flows.py").write_text(ORDERS)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def refusal(spec: str | None) -> str:
    with pytest.raises(AppError) as caught:
        load(spec)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_modules_flows_are_found_by_flow_or_by_a_handle(here):
    app = load("shop_flows")
    assert sorted(app.flows) == ["invoices", "orders"]
    assert [stage.name for stage in app.flow("orders").graph.stages] == ["double"]


def test_a_file_is_an_app_too_and_is_the_same_module(here):
    write(here, "sub/more_flows.py", ORDERS)
    app = load("sub/more_flows.py")
    assert sorted(app.flows) == ["invoices", "orders"]
    assert load("sub/more_flows.py").flow("orders") is app.flow("orders")
    assert load("./shop_flows.py").flow("orders") is load("shop_flows").flow("orders")


def test_a_file_in_a_package_is_imported_as_a_part_of_it(here):
    write(here, "src/shop_package/__init__.py", "")
    write(here, "src/shop_package/steps.py", "def double(x):\n    return 2 * x\n")
    write(
        here,
        "src/shop_package/flows.py",
        "from pauseflow.flow import Flow\nfrom .steps import double\n"
        "orders = Flow('orders')\norders.map(double)\n",
    )
    assert list(load("src/shop_package/flows.py").flows) == ["orders"]


def test_an_attribute_narrows_the_app(here):
    assert list(load("shop_flows:orders").flows) == ["orders"]
    write(here, "many_flows.py", "from shop_flows import *\nall_of_them = [orders, end_of_line]\n")
    assert sorted(load("many_flows:all_of_them").flows) == ["invoices", "orders"]


def test_an_unknown_flow_gets_the_nearest_name(here):
    app = load("shop_flows")
    with pytest.raises(UnknownName, match=r"no flow 'oders'\. Did you mean 'orders'\?"):
        app.flow("oders")
    with pytest.raises(UnknownName, match="It has invoices, orders"):
        app.flow("zzz")


def test_without_an_app_the_three_ways_to_name_one_are_told(here):
    for way in ("--app", "FLOWCTL_APP", "[tool.pauseflow]"):
        assert way in refusal(None)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("no_such_module", "there is no module 'no_such_module'"),
        ("shop_flows.more", "there is no module 'shop_flows.more'"),
        ("no/such/file.py", "there is no file"),
        ("shop-flows", "is not the name of a module"),
        ("", "which app?"),
        ("shop_flows:oders", "no attribute 'oders'. Did you mean 'orders'?"),
        ("shop_flows:double", "has no flows"),
        ("json", "has no flows"),
        ("./queue.py", "Rename queue.py"),
    ],
)
def test_a_spec_that_leads_nowhere(here, spec, said):
    import queue  # noqa: F401, PLC0415 # so that a module of this name is loaded

    write(here, "queue.py", ORDERS)
    assert said in refusal(spec)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("\nx = 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import json\n\njson.loads('{')\n", "JSONDecodeError: Expecting property name"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        (
            "from pauseflow.flow import Flow\nFlow('a').map(len).map(len)\n",
            "'len'",
        ),
        (ORDERS + "second = Flow('orders')\nsecond.map(double)\n", "two flows named 'orders'"),
        (
            "from pauseflow import Flow\na, b = Flow('a', on_cancel=print), Flow('a.on_cancel')\n",
            "a flow named 'a.on_cancel', which is how the on_cancel= of flow 'a' goes",
        ),
    ],
)
def test_an_import_that_fails_says_why(here, source, said):
    write(here, "broken_flows.py", source)
    assert said in refusal("broken_flows")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import no_such_library\n", 1),
        ("\nx = 1 / 0\n", 2),
        ("x = 1\ndef f(:\n", 2),
        ("import json\n\n\njson.loads('{')\n", 4),
        ("from pauseflow.flow import Flow\n\nFlow('a').map(len).map(len)\n", 3),
    ],
)
def test_an_import_that_fails_names_the_line_of_the_users_code(here, source, line):
    write(here, "broken_flows.py", source)
    assert f"{here / 'broken_flows.py'}:{line}" in refusal("broken_flows")
    assert f"{here / 'broken_flows.py'}:{line}" in refusal("./broken_flows.py")


def test_a_failure_in_a_module_that_the_app_imports_names_that_one(here):
    write(here, "broken_steps.py", "\n\nraise ValueError('no token')\n")
    write(here, "broken_flows.py", "import broken_steps\n")
    message = refusal("broken_flows")
    assert "ValueError: no token" in message
    assert f"{here / 'broken_steps.py'}:3" in message
