"""How many runs may be at work at once, as the file `dagster.yaml` says it.

Belongs here: where that file is, and what it says of the run queue, without Dagster, whose import
takes longer than a command that only asks. How many runs are at work now is told by `history`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, Field, StrictInt, StrictStr, ValidationError

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.settings import Settings, project_folder
from enrollment_pipeline.work.queueing import TagLimit

CONFIG = "dagster.yaml"
# Runs handed over in one look, and thought to work at once, where Dagster itself has no limit.
MOST_AT_ONCE = 50
# What Dagster takes where its file says nothing.
_USUAL_RUNS = 10
_QUEUED = "QueuedRunCoordinator"


@dataclass(frozen=True, slots=True)
class DagsterHome:
    """Dagster's home folder, and the file that is to be its `dagster.yaml`.

    `original` is None where the folder was given: then it is used with what is in it.
    """

    folder: Path
    original: Path | None

    @property
    def config(self) -> Path:
        """The file whose settings hold; a folder that was given may be without one."""
        return self.original or self.folder / CONFIG


def dagster_home(settings: Settings) -> DagsterHome:
    """Return Dagster's home as the environment decides it; nothing is made or changed.

    Raises:
        ConfigurationError: DAGSTER_HOME is set and cannot be used.
    """
    given = os.environ.get("DAGSTER_HOME")
    if given:
        folder = Path(given)
        if not folder.is_absolute() or not folder.is_dir():
            raise ConfigurationError(
                f"DAGSTER_HOME is {given!r}, which is no absolute path of a folder.",
                remedy="Correct it, or unset it to use the folder in the product's home.",
            )
        return DagsterHome(folder, None)
    root = project_folder(Path.cwd())
    packaged = Path(str(files("enrollment_pipeline"))) / CONFIG
    original = root / CONFIG if root else packaged
    if not original.is_file():
        # An editable install has no packaged copy, but its checkout is where the package is.
        original = packaged.parent.parent / CONFIG
    return DagsterHome(settings.dagster_home, original)


def at_once(settings: Settings, tags: Mapping[str, str]) -> int:
    """Return how many runs with these tags may be at work at the same time.

    That is the smallest number in `dagster.yaml` that holds for them, and `MOST_AT_ONCE` where none
    does; 0 where the file lets none begin.

    Raises:
        ConfigurationError: the file cannot be read, or cannot be understood where it tells of runs.
    """
    config = _read(dagster_home(settings).config)
    if not config.has_queue:
        # Dagster then starts at once whatever it is given.
        return MOST_AT_ONCE
    numbers = [
        limit.limit
        for place in config.said
        for limit in _limits(place.tag_concurrency_limits or ())
        if limit.applies_to(tags)
    ]
    whole = [place.max_concurrent_runs for place in config.said]
    most = next((number for number in whole if number is not None), _USUAL_RUNS)
    if most >= 0:
        numbers.append(most)
    return max(0, min(numbers, default=MOST_AT_ONCE))


def tag_limits(stated: Iterable[Mapping[str, Any]]) -> list[TagLimit]:
    """Return limits of tags as Dagster's configuration states them."""
    return _limits(_StatedLimit.model_validate(one) for one in stated)


class _PerValue(BaseModel):
    apart: bool = Field(default=False, alias="applyLimitPerUniqueValue")


class _StatedLimit(BaseModel):
    key: StrictStr
    value: StrictStr | _PerValue | None = None
    limit: StrictInt


def _limits(stated: Iterable[_StatedLimit]) -> list[TagLimit]:
    limits = [
        TagLimit(
            one.key,
            one.value if isinstance(one.value, str) else None,
            one.limit,
            per_value=isinstance(one.value, _PerValue) and one.value.apart,
        )
        for one in stated
    ]
    # Of several for the same runs, Dagster holds to the last.
    return list({(one.key, one.value, one.per_value): one for one in limits}.values())


def _from_environment(number: object) -> object:
    """Return what a variable says that Dagster is to ask; None for one that is not set here.

    The command may run without the variables of Dagster's own processes.
    """
    if not (isinstance(number, dict) and list(number) == ["env"]):
        return number
    try:
        return int(os.environ[str(number["env"])])
    except (KeyError, ValueError):
        return None


class _Allowed(BaseModel):
    max_concurrent_runs: Annotated[StrictInt | None, BeforeValidator(_from_environment)] = None
    tag_concurrency_limits: list[_StatedLimit] | None = None


class _Concurrency(BaseModel):
    runs: _Allowed | None = None


class _Coordinator(BaseModel):
    name: str = Field(alias="class")
    config: _Allowed | None = None


class _Config(BaseModel):
    """What `dagster.yaml` says of runs; Dagster refuses one that says it at two places."""

    concurrency: _Concurrency | None = None
    run_queue: _Allowed | None = None
    run_coordinator: _Coordinator | None = None

    @property
    def has_queue(self) -> bool:
        return self.run_coordinator is None or self.run_coordinator.name == _QUEUED

    @property
    def said(self) -> list[_Allowed]:
        places = (
            self.concurrency.runs if self.concurrency else None,
            self.run_queue,
            self.run_coordinator.config if self.run_coordinator else None,
        )
        return [place for place in places if place is not None]


def _read(path: Path) -> _Config:
    try:
        stated = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _Config.model_validate({} if stated is None else stated)
    except FileNotFoundError:
        return _Config()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        told = f"{place}: {first['msg']}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" at line {mark.line + 1}" if mark else ""
        told = f"{error.problem or error.context}{line}"
    except UnicodeDecodeError:
        told = "it is no UTF-8"
    except OSError as error:
        told = str(error.strerror)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = f"it is no YAML ({type(error).__name__})"
    raise ConfigurationError(
        f"{path} cannot be read: {told}.",
        remedy="Correct the file; the one that comes with the product is an example.",
    )
