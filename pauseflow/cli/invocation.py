"""Invocation: the options that commands share, and what they lead to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pauseflow.app import App
    from pauseflow.client import Client
    from pauseflow.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_HELP = {
    "app": "Where the flows are: a module, module:attribute, or path/to/file.py.",
    "url": "The server: redis://, rediss:// or unix://. Better given as REDIS_URL: others on "
    "this machine can see a command line.",
    "namespace": "Which of the server's namespaces to work in.",
}
_METAVARS = {"app": "APP", "url": "URL", "namespace": "NAME"}


@dataclass
class Invocation:
    """What the command line says about app and server. Given before or after the command's name.

    Args:
        app: the value of --app, if given.
        url: the value of --url, if given.
        namespace: the value of --namespace, if given.
    """

    app: str | None = None
    url: str | None = None
    namespace: str | None = None

    def settings(self) -> Settings:
        """The settings, with these options before environment and pyproject.toml.

        Raises:
            SettingsError: a value makes no sense.
        """
        from pauseflow.settings import Settings  # noqa: PLC0415 - tomllib, urllib: not for --help

        return Settings.load(app=self.app, url=self.url, namespace=self.namespace)

    def load_app(self) -> App:
        """Import the user's module.

        Raises:
            AppError: it can't be found or imported.
        """
        from pauseflow.app import load  # noqa: PLC0415 - brings in all of authoring

        return load(self.settings().app)

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """A client of the named server, or of the embedded one, which runs meanwhile.

        Raises:
            ServerUnreachable: nothing answers.
            ServerRefused: something answers, but not to us.
        """
        from pauseflow.client import Client  # noqa: PLC0415 - brings in redis
        from pauseflow.embedded import server_url  # noqa: PLC0415 - only for commands that connect

        settings = self.settings()
        with (
            server_url(settings) as url,
            Client.connect(url, namespace=settings.namespace) as client,
        ):
            yield client


def common_options(*names: str) -> Callable[[Command], Command]:
    """Options that any command may have: the named ones, and --debug. They set the Invocation."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = click.option(
                f"--{name}",
                metavar=_METAVARS[name],
                help=_HELP[name],
                expose_value=False,
                callback=_remember,
            )(command)
        return click.option(
            "--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors."
        )(command)

    return decorate


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    invocation = context.ensure_object(Invocation)
    if value and parameter.name:
        setattr(invocation, parameter.name, value)
