"""The two sample files, `contacts.csv` and `enroll-me.csv`: made, written, recognised."""

from dataclasses import dataclass
from pathlib import Path

from enrollment_pipeline.samples.contacts import contacts_csv, sample_contacts
from enrollment_pipeline.samples.enroll_me import SampleRow, enroll_me_csv, sample_rows

CONTACTS = "contacts.csv"
ENROLL_ME = "enroll-me.csv"


@dataclass(frozen=True, slots=True)
class Samples:
    """The text of each file by its name, and what is peculiar about each row of `enroll-me.csv`."""

    files: dict[str, str]
    rows: tuple[SampleRow, ...]

    def lie_in(self, folder: Path) -> bool:
        """Return whether the folder holds these files, unchanged."""
        return all(
            (folder / name).is_file() and (folder / name).read_bytes() == text.encode()
            for name, text in self.files.items()
        )

    def write(self, folder: Path) -> None:
        """Write the files into a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            # Bytes, so that no platform changes the line ends.
            (folder / name).write_bytes(text.encode())


def make_samples() -> Samples:
    """Return the files; they are the same on every machine, every time."""
    contacts = sample_contacts()
    rows = sample_rows(contacts)
    return Samples({CONTACTS: contacts_csv(contacts), ENROLL_ME: enroll_me_csv(rows)}, tuple(rows))


def generate(folder: Path) -> Samples:
    """Make the files and write them into a folder."""
    samples = make_samples()
    samples.write(folder)
    return samples
