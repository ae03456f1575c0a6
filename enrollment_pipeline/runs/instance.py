"""The Dagster instance as the product's own commands open it."""

import os
import shutil
from pathlib import Path

import dagster as dg

from enrollment_pipeline.runs.concurrency import CONFIG, dagster_home
from enrollment_pipeline.settings import Settings


def use_dagster_home(settings: Settings) -> Path:
    """Return Dagster's home folder, made ready, and name it in the environment.

    A DAGSTER_HOME that is set is used as it is. Otherwise it lies in the product's home folder and
    gets the checkout's `dagster.yaml`, or the one in the installed package.

    Raises:
        ConfigurationError: DAGSTER_HOME is set and cannot be used.
    """
    home = dagster_home(settings)
    folder, original = home.folder, home.original
    if original is None:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / CONFIG
    if not copy.is_file() or copy.read_bytes() != original.read_bytes():
        partial = folder / f".{CONFIG}.{os.getpid()}"
        shutil.copyfile(original, partial)
        partial.replace(copy)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance whose runs, events and partitions are in the product's database."""
    use_dagster_home(settings)
    return dg.DagsterInstance.get()
