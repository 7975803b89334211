"""The app: the user's module, and the flows that it defines."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

from pauseflow.errors import AppError, FlowDefinitionError, UnknownName
from pauseflow.flow import End, Flow, Stream
from pauseflow.graph import telling_flow

_HOW_TO_NAME = "Write a module (shop.flows), module:attribute, or a file (path/to/flows.py)"


@dataclass(frozen=True)
class App:
    """The flows of one user module.

    Args:
        name: the spec that it was loaded by.
        flows: by their names.
    """

    name: str
    flows: Mapping[str, Flow]

    def flow(self, name: str) -> Flow:
        """The flow of this name.

        Raises:
            UnknownName: there is none; the message has the nearest one.
        """
        if name in self.flows:
            return self.flows[name]
        near = difflib.get_close_matches(name, self.flows, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(sorted(self.flows))}."
        raise UnknownName(f"app {self.name!r} has no flow {name!r}. {hint}")


def load(spec: str | None) -> App:
    """Import the user's module and find its flows. The current directory is searched first.

    This runs the user's module, once: a second call finds it imported.

    Args:
        spec: `module`, `module:attribute` (a Flow, or a collection of them), or `path/to/file.py`
            with or without `:attribute`. A module's flows are those among its attributes.

    Raises:
        AppError: there is no such module, its import failed (the message has its own error and
            the line of the user's code), it has no flows, or two of one name.
    """
    if not spec:
        raise AppError(
            'which app? Give --app, set FLOWCTL_APP, or write app = "..." under '
            f"[tool.pauseflow] in pyproject.toml. {_HOW_TO_NAME}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    where, _, attribute = spec.partition(":")
    module = _imported(spec, where)
    found = _attribute(spec, module, attribute) if attribute else vars(module)
    flows: dict[str, Flow] = {}
    for flow in _flows_in(found):
        if flows.setdefault(flow.name, flow) is not flow:
            raise AppError(
                f"app {spec!r} has two flows named {flow.name!r}. Rename one of them: runs are "
                f"found by their flow's name"
            )
    for flow in flows.values():
        telling = telling_flow(flow.name)
        if flow.on_cancel is not None and telling in flows:
            raise AppError(
                f"app {spec!r} has a flow named {telling!r}, which is how the on_cancel= of flow "
                f"{flow.name!r} goes. Rename one of them"
            )
    if not flows:
        raise AppError(
            f'app {spec!r} has no flows. Define one at the top level: flow = Flow("name")'
        )
    return App(spec, MappingProxyType(flows))


def _flows_in(found: object) -> Iterable[Flow]:
    """A handle stands for its flow: `flow = Flow("a").map(f).each(g)` names the line's end."""
    if isinstance(found, Stream | End):
        return (found.flow,)
    if isinstance(found, Mapping):
        found = found.values()
    if isinstance(found, Iterable) and not isinstance(found, str | bytes):
        return [each.flow for each in found if isinstance(each, Stream | End)]
    return ()


def _attribute(spec: str, module: ModuleType, attribute: str) -> object:
    try:
        return getattr(module, attribute)
    except AttributeError:
        near = difflib.get_close_matches(attribute, vars(module), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Check the name after the colon"
        raise AppError(f"app {spec!r}: the module has no attribute {attribute!r}. {hint}") from None


def _imported(spec: str, where: str) -> ModuleType:
    is_file = where.endswith(".py") or "/" in where
    if not is_file and not all(part.isidentifier() for part in where.split(".")):
        raise AppError(f"app {spec!r} is not the name of a module. {_HOW_TO_NAME}")
    try:
        return _file_module(spec, Path(where)) if is_file else importlib.import_module(where)
    except (AppError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(error.name + ".")):
            raise AppError(
                f"app {spec!r}: there is no module {error.name!r} in {Path.cwd()} nor among the "
                f"installed packages. {_HOW_TO_NAME}"
            ) from None
        raise AppError(_import_failure(spec, error)) from error
    except BaseException as error:
        raise AppError(_import_failure(spec, error)) from error


def _file_module(spec: str, file: Path) -> ModuleType:
    """A file is imported under its own name, so that its classes have one identity everywhere."""
    file = file.resolve()
    if not file.is_file():
        raise AppError(f"app {spec!r}: there is no file {file}")
    root, dotted = file.parent, file.stem
    while (root / "__init__.py").is_file():
        root, dotted = root.parent, f"{root.name}.{dotted}"
    if "." in dotted:
        sys.path.insert(0, str(root))
        return importlib.import_module(dotted)
    known = sys.modules.get(file.stem)
    if known is not None and Path(known.__file__ or "").resolve() == file:
        return known
    if known is not None:
        raise AppError(
            f"app {spec!r}: a module named {file.stem!r} is loaded already, from "
            f"{known.__file__ or 'Python itself'}. Rename {file.name}"
        )
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    found = importlib.util.spec_from_file_location(file.stem, file)
    if found is None or found.loader is None:
        raise AppError(f"app {spec!r}: {file} is not a Python file. {_HOW_TO_NAME}")
    module = importlib.util.module_from_spec(found)
    sys.modules[file.stem] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module


def _import_failure(spec: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        place, text = f"{error.filename}:{error.lineno}", error.msg
    else:
        place, text = _place(error), str(error)
    kind = "" if isinstance(error, FlowDefinitionError) else f"{type(error).__name__}: "
    return f"cannot import app {spec!r}: {kind}{text} ({place})"


def _place(error: BaseException) -> str:
    """File and line of the user's code: the innermost call that is not in an installed package."""
    calls = [
        call
        for call in traceback.extract_tb(error.__traceback__)
        if not call.filename.startswith("<frozen ") and Path(call.filename) != Path(__file__)
    ]
    mine = [call for call in calls if _is_users(Path(call.filename))]
    call = (mine or calls)[-1] if calls else None
    return f"{call.filename}:{call.lineno}" if call else "no place known"


def _is_users(file: Path) -> bool:
    ours = Path(__file__).parent
    library = Path(traceback.__file__).parent
    installed = "site-packages" in file.parts or "dist-packages" in file.parts
    return not installed and ours not in file.parents and library not in file.parents
