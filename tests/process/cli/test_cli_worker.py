"""flowctl worker and coordinator, as far as the command line goes."""

import pytest

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--stage", "nope"), 3, "has a stage 'nope'"),
        (("--flow", "plus", "--stage", "ad_one"), 3, "add_one"),
        (("--flow", "plsu"), 3, "Did you mean 'plus'?"),
        (("--app", "no_such_app"), 2, "there is no module 'no_such_app'"),
        (("--processes", "0"), 2, "--processes"),
    ],
)
def test_a_worker_that_is_told_nonsense_says_so_and_ends(project, arguments, code, said):
    ended = project.flowctl("worker", *arguments)
    assert ended.code == code, ended
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
