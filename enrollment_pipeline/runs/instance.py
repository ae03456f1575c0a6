"""The Dagster instance as the product's own commands open it."""

import os
import shutil
from importlib.resources import files
from pathlib import Path

import dagster as dg

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.settings import Settings, project_folder


def use_dagster_home(settings: Settings) -> Path:
    """Return Dagster's home folder, made ready, and name it in the environment.

    A DAGSTER_HOME that is set is used as it is. Otherwise it lies in the product's home folder and
    gets the checkout's `dagster.yaml`, or the one in the installed package.

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
        return folder
    folder = settings.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    root = project_folder(Path.cwd())
    packaged = Path(str(files("enrollment_pipeline"))) / "dagster.yaml"
    original = root / "dagster.yaml" if root else packaged
    if not original.is_file():
        # An editable install has no packaged copy, but its checkout is where the package is.
        original = packaged.parent.parent / "dagster.yaml"
    copy = folder / "dagster.yaml"
    if not copy.is_file() or copy.read_bytes() != original.read_bytes():
        partial = folder / f".dagster.yaml.{os.getpid()}"
        shutil.copyfile(original, partial)
        partial.replace(copy)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance whose runs, events and partitions are in the product's database."""
    use_dagster_home(settings)
    return dg.DagsterInstance.get()
