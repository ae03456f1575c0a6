"""The guide to triggers: its examples do what it shows, in an account of their own."""

from datetime import UTC, datetime
from pathlib import Path

from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.examples import ROOT, CommandLine, Values, examples_of

PAGE = ROOT / "docs" / "triggers.md"


def test_the_examples_answer_as_shown(account: Account, tmp_path: Path) -> None:
    values = Values()
    commands = CommandLine(tmp_path, account.name)
    # A year to come, instead of the one in the page, which is some day past.
    examples = examples_of(PAGE, {"2027": str(datetime.now(UTC).year + 1)})

    assert len(examples) > 5
    for example in examples:
        commands.run(example, values)
