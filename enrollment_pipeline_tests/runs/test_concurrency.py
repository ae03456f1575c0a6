"""How many runs may be at work at once, as `dagster.yaml` says it; and which file that is."""

import subprocess
import sys
from pathlib import Path

import pytest

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.runs.concurrency import MOST_AT_ONCE, at_once, dagster_home
from enrollment_pipeline.settings import Settings, load_settings

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RED = {"color": "red"}
LIMITED = """
concurrency:
  runs:
    max_concurrent_runs: {most}
    tag_concurrency_limits:
      - {{key: color, value: red, limit: 4}}
      - {{key: color, limit: 6}}
      - {{key: size, value: {{applyLimitPerUniqueValue: true}}, limit: 2}}
"""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings in a folder of its own, outside of any checkout."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ENROLLMENT_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return load_settings()


@pytest.fixture
def given_home(monkeypatch: pytest.MonkeyPatch, elsewhere: Settings, tmp_path: Path) -> Path:
    """A folder that DAGSTER_HOME names."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "tags", "expected"),
    [
        (LIMITED.format(most=5), {}, 5),
        (LIMITED.format(most=5), RED, 4),
        (LIMITED.format(most=5), {"color": "blue"}, 5),
        (LIMITED.format(most=9), {"color": "blue"}, 6),
        (LIMITED.format(most=3), RED, 3),
        (LIMITED.format(most=9), {**RED, "size": "small"}, 2),
        (LIMITED.format(most=9), {"shape": "red"}, 9),
        (LIMITED.format(most=-1), RED, 4),
        (LIMITED.format(most=-1), {}, MOST_AT_ONCE),
        (LIMITED.format(most=0), RED, 0),
        ("", {}, 10),
        ("concurrency: {pools: {default_limit: 1}}", {}, 10),
        ("run_queue: {max_concurrent_runs: 7}", {}, 7),
        ("run_queue: {tag_concurrency_limits: [{key: color, limit: 2}]}", RED, 2),
        ("concurrency: {runs: {tag_concurrency_limits: null}}", RED, 10),
        (
            "concurrency: {runs: {tag_concurrency_limits: "
            "[{key: color, limit: 1}, {key: color, limit: 8}]}}",
            RED,
            8,
        ),
        (
            "run_coordinator: {module: dagster.core.run_coordinator, class: QueuedRunCoordinator, "
            "config: {max_concurrent_runs: 12}}",
            {},
            12,
        ),
        (
            "run_coordinator: {module: dagster.core.run_coordinator, "
            "class: DefaultRunCoordinator}\nconcurrency: {runs: {max_concurrent_runs: 3}}",
            {},
            MOST_AT_ONCE,
        ),
        ("run_queue: {max_concurrent_runs: {env: MOST_RUNS}}", {}, 8),
        ("run_queue: {max_concurrent_runs: {env: NOT_SET_HERE}}", {}, 10),
        ("run_queue: {max_concurrent_runs: {env: NO_NUMBER}}", {}, 10),
    ],
)
def test_the_smallest_number_that_holds_for_a_run_decides(
    given_home: Path,
    elsewhere: Settings,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    tags: dict[str, str],
    expected: int,
) -> None:
    monkeypatch.setenv("MOST_RUNS", "8")
    monkeypatch.setenv("NO_NUMBER", "many")
    (given_home / "dagster.yaml").write_text(config)

    assert at_once(elsewhere, tags) == expected


def test_a_folder_without_the_file_has_the_numbers_of_dagster(
    given_home: Path, elsewhere: Settings
) -> None:
    assert at_once(elsewhere, RED) == 10


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"concurrency: {runs: ", "line 1"),
        (b"[1, 2]", "valid dictionary"),
        (b"concurrency: {runs: {max_concurrent_runs: some}}", "runs.max_concurrent_runs"),
        (b"run_queue: {tag_concurrency_limits: [{key: a}]}", "tag_concurrency_limits.0.limit"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x00", "YAML"),
        (b"when: 2026-99-99", "YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_trouble(
    given_home: Path, elsewhere: Settings, content: bytes, told: str
) -> None:
    (given_home / "dagster.yaml").write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        at_once(elsewhere, {})

    assert str(given_home / "dagster.yaml") in str(caught.value)
    assert told in str(caught.value)


def test_a_folder_in_place_of_the_file_is_refused(given_home: Path, elsewhere: Settings) -> None:
    (given_home / "dagster.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="directory"):
        at_once(elsewhere, {})


@pytest.mark.parametrize("given", ["relative", "/nowhere/at/all"])
def test_a_dagster_home_that_is_no_folder_is_refused(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Settings, given: str
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", given)
    with pytest.raises(ConfigurationError, match="DAGSTER_HOME"):
        at_once(elsewhere, {})


def test_in_a_checkout_its_file_holds(elsewhere: Settings, tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / "dagster.yaml").write_text(LIMITED.format(most=3))

    assert at_once(elsewhere, {}) == 3
    assert dagster_home(elsewhere).folder == elsewhere.dagster_home
    assert not elsewhere.dagster_home.exists()


def test_outside_of_a_checkout_the_products_own_file_holds(elsewhere: Settings) -> None:
    assert dagster_home(elsewhere).config == CHECKOUT / "dagster.yaml"
    assert at_once(elsewhere, {}) == 10
    assert at_once(elsewhere, {"enrollment/work": "onboarding"}) == 5
    assert at_once(elsewhere, {"enrollment/company": "agency / client"}) == 3


def test_asking_for_the_number_does_not_load_dagster() -> None:
    script = "import sys, enrollment_pipeline.runs.concurrency; print('dagster' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.strip() == "False"
