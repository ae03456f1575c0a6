"""CSV files as they come, from submission to report: each works, or says why it does not.

What is read from a file is tested in `files`; here it is what becomes of its rows.
"""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import RefusedError
from enrollment_pipeline_tests.enrollment.conftest import Bulk, MakeBulk

PEOPLE = "name,email,city\nAnn,ann@example.com,Oslo\nBea,bea@example.com,Rome\n"


@pytest.fixture
def people(
    bulk: Bulk, add_contacts: Callable[..., list[UUID]], add_workflow: Callable[..., UUID]
) -> dict[str, UUID]:
    """Ann, Bea, Zoë and one whose address begins with a plus, by the start of their addresses."""
    add_workflow(bulk.account)
    names = ("ann", "bea", "zoë", "+eve")
    return {name: add_contacts(bulk.account, 1, email=f"{name}@example.com")[0] for name in names}


def packed() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("people.csv", PEOPLE)
    return content.getvalue()


def workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PEOPLE.encode(), id="UTF-8"),
        pytest.param(PEOPLE.encode("utf-8-sig"), id="UTF-8 with BOM"),
        pytest.param(PEOPLE.encode("utf-16"), id="UTF-16 with BOM"),
        pytest.param(PEOPLE.encode("utf-16-le"), id="UTF-16 little endian"),
        pytest.param(PEOPLE.encode("utf-16-be"), id="UTF-16 big endian"),
        pytest.param(PEOPLE.replace("Oslo", "Ålesund").encode("latin-1"), id="Latin-1"),
        pytest.param(PEOPLE.replace(",", ";").encode(), id="semicolons"),
        pytest.param(PEOPLE.replace(",", "\t").encode(), id="tabs"),
        pytest.param(PEOPLE.replace(",", "|").encode(), id="pipes"),
        pytest.param(b"sep=;\n" + PEOPLE.replace(",", ";").encode(), id="announced"),
        pytest.param(PEOPLE.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(PEOPLE.replace("\n", "\r").encode(), id="CR"),
        pytest.param(PEOPLE.rstrip().encode(), id="no last line end"),
        pytest.param(PEOPLE.replace("Oslo", '"12\nMain St\nOslo"').encode(), id="line breaks"),
        pytest.param(PEOPLE.replace("Ann,", '"Ann ""Ace"" A",').encode(), id="doubled quotes"),
        pytest.param(PEOPLE.replace("\nBea", "\n\n \n\nBea").encode(), id="blank lines"),
        pytest.param(PEOPLE.replace("city", "email").encode(), id="duplicate headers"),
        pytest.param(PEOPLE.replace("name,", ",").encode(), id="blank header"),
        pytest.param(PEOPLE.split("\n", 1)[1].encode(), id="no header"),
        pytest.param(
            "\n".join(line + ",x" * 997 for line in PEOPLE.split()).encode(), id="1,000 columns"
        ),
    ],
)
def test_a_file_in_this_form_enrolls_everybody_in_it(
    bulk: Bulk, people: dict[str, UUID], content: bytes
) -> None:
    job_id = bulk.submit(bulk.csv(content))
    job = bulk.finish(job_id)
    assert job["outcomes"]["enrolled"] == job["input_rows"] == 2
    assert bulk.enrolled_by(job_id) == {people["ann"], people["bea"]}


def test_addresses_beyond_ascii_match_in_any_encoding(bulk: Bulk, people: dict[str, UUID]) -> None:
    for workflow, encoding in enumerate(("utf-8", "utf-16", "latin-1")):
        bulk.sql(
            "insert into enrollment.workflows (account_id, name, status) "
            "values (:account, :name, 'active')",
            account=bulk.account.id,
            name=str(workflow),
        )
        job_id = bulk.submit(bulk.csv("email\nZOË@example.com\n".encode(encoding)), workflow)
        bulk.finish(job_id)
        assert bulk.enrolled_by(job_id) == {people["zoë"]}


@pytest.mark.parametrize(
    ("bad", "line", "reason"),
    [
        pytest.param("Cleo", 3, "has 1 field, the header has 3", id="short row"),
        pytest.param("C,c@example.com,x,y", 3, "has 4 fields, the header has 3", id="long row"),
        pytest.param("Cleo,,Rome", 3, "has no e-mail address", id="no address"),
        pytest.param("Cleo, \t,Rome", 3, "has no e-mail address", id="blank address"),
        pytest.param(",,", 3, "has no e-mail address", id="blank row"),
        pytest.param("C\0leo,c@example.com,x", 3, "holds a NUL byte", id="NUL byte"),
        pytest.param(
            "Cleo,c@example.com," + "x" * 200_000,
            3,
            "has a field longer than 131,072 characters",
            id="huge field",
        ),
        pytest.param(
            "Cleo," + "c" * 320 + "@example.com,x",
            3,
            "has an e-mail address longer than 320 characters",
            id="long address",
        ),
        pytest.param('Cleo,"c@example.com" x,x', 3, "has text after a closing quote", id="quote"),
        pytest.param('Cleo,"c@example.com,x', 3, "has a quote that is never closed", id="open"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number_and_the_others_go_on(
    bulk: Bulk, people: dict[str, UUID], bad: str, line: int, reason: str
) -> None:
    header, ann, bea = PEOPLE.splitlines()
    job_id = bulk.submit(bulk.csv("\n".join([header, ann, bad, bea, ""])))
    job = bulk.finish(job_id)

    assert bulk.enrolled_by(job_id) == {people["ann"], people["bea"]}
    assert job["outcomes"]["rejected"] == 1
    (rejected,) = (row for row in bulk.rows(job_id) if row["outcome"] == "rejected")
    assert (rejected["line"], rejected["message"]) == (line, reason)
    assert rejected["contact_id"] is None
    assert Path(job["files"]["rejected"]).read_text(encoding="utf-8").count(reason) == 1


def test_a_short_row_never_enrolls_the_contact_of_another_column(
    bulk: Bulk, people: dict[str, UUID]
) -> None:
    content = "owner,email\nann@example.com,bea@example.com\nann@example.com\n"
    job_id = bulk.submit(bulk.csv(content))
    bulk.finish(job_id)
    assert bulk.enrolled_by(job_id) == {people["bea"]}


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        pytest.param(b"", "INVALID_FILE", '"wild.csv" is empty.', id="empty"),
        pytest.param(b"\n \n", "INVALID_FILE", '"wild.csv" holds only blank lines.', id="blank"),
        pytest.param(packed(), "INVALID_FILE", "is a ZIP archive, not a CSV file.", id="ZIP"),
        pytest.param(workbook(), "INVALID_FILE", "is an Excel workbook (.xlsx), not", id="xlsx"),
        pytest.param(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "INVALID_FILE",
            "is an old Excel workbook (.xls), not",
            id="xls",
        ),
        pytest.param(gzip.compress(b"x"), "INVALID_FILE", "is a gzip archive, not", id="gzip"),
        pytest.param(bytes(5_000), "INVALID_FILE", "holds binary data, not text.", id="NULs"),
        pytest.param(
            b"name,city\nAnn,Oslo\n",
            "INVALID_FILE",
            "No column holds e-mail addresses or contact ids; the columns are: name, city.",
            id="no column",
        ),
        pytest.param(
            b"email" + b",x" * 1_000 + b"\n", "INVALID_FILE", "has 1,001 columns", id="wide"
        ),
        pytest.param(
            b"email," + b"x" * 1_100_000 + b"\na,b\n",
            "INVALID_FILE",
            'The first row of "wild.csv" (line 1) is longer than 1,048,576 characters.',
            id="huge header",
        ),
    ],
)
def test_a_file_that_cannot_be_trusted_fails_the_job_and_says_why(
    bulk: Bulk, people: dict[str, UUID], content: bytes, code: str, message: str
) -> None:
    job_id = bulk.submit(bulk.csv(content, name="wild.csv"))
    with pytest.raises(RefusedError) as refusal:
        bulk.phases(job_id).select()

    job = bulk.describe(job_id)
    assert job["status"] == "failed"
    assert job["error"] == refusal.value.as_dict()
    assert job["error"]["code"] == code
    assert message in job["error"]["message"]
    assert job["error"]["remedy"]
    assert sum(job["outcomes"].values()) == job["input_rows"] == 0
    assert not bulk.query("select 1 from enrollment.kept_inputs where work_id = :job", job=job_id)


def test_a_file_of_a_header_alone_enrolls_nobody(bulk: Bulk, people: dict[str, UUID]) -> None:
    job = bulk.enroll(bulk.csv("name,email\n"))
    assert (job["status"], job["input_rows"]) == ("completed", 0)


def test_the_wanted_column_must_be_there(bulk: Bulk, people: dict[str, UUID]) -> None:
    job_id = bulk.submit(bulk.csv(PEOPLE, column="contact_id"))
    with pytest.raises(RefusedError, match="No column holds contact ids"):
        bulk.phases(job_id).select()


def test_the_limits_of_a_file_are_settings_of_the_account(
    make_bulk: MakeBulk, add_workflow: Callable[..., UUID]
) -> None:
    bulk = make_bulk(csv_max_bytes=40, csv_max_lines=3)
    add_workflow(bulk.account)

    assert bulk.enroll(bulk.csv("email\n1@x.org\n2@x.org\n3@x.org\n"))["input_rows"] == 3

    job_id = bulk.submit(bulk.csv("email\n1@x.org\n2@x.org\n3@x.org\n4@x.org\n", name="p.csv"))
    with pytest.raises(RefusedError) as lines:
        bulk.phases(job_id).select()
    assert lines.value.code == "FILE_TOO_LARGE"
    assert lines.value.message == '"p.csv" has 4 lines; at most 3 are allowed.'

    with pytest.raises(RefusedError) as size:
        bulk.submit(bulk.csv("email\n" + "1@x.org\n" * 6, name="p.csv"))
    assert size.value.code == "FILE_TOO_LARGE"
    assert size.value.message == '"p.csv" has 54 bytes; at most 40 are allowed.'
    assert size.value.details == {"found": 54, "limit": 40}


def test_what_is_no_file_is_refused_and_creates_nothing(
    bulk: Bulk, people: dict[str, UUID], tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    told = {
        "missing.csv": 'There is no file "missing.csv".',
        "folder.csv": '"folder.csv" is a folder, not a file.',
        "pipe.csv": '"pipe.csv" is a device or a pipe, not a file.',
        "x" * 300: "cannot be read: File name too long.",
    }
    for name, message in told.items():
        selection = {"type": "csv", "path": str(tmp_path / name)}
        for way in (bulk.submit, bulk.preview):
            with pytest.raises(RefusedError) as refusal:
                way(selection)
            assert refusal.value.code == "INVALID_FILE"
            assert message in refusal.value.message
    assert service.list_jobs(bulk.database, bulk.account)["total"] == 0


def test_a_file_name_that_is_no_unicode_is_no_trouble(bulk: Bulk, people: dict[str, UUID]) -> None:
    job = bulk.enroll(bulk.csv(PEOPLE, name=os.fsdecode(b"p\xe9ople.csv")))
    assert job["outcomes"]["enrolled"] == 2


def test_the_file_is_kept_only_until_it_is_resolved(bulk: Bulk, people: dict[str, UUID]) -> None:
    selection = bulk.csv(PEOPLE + "x,nobody@example.com,y\n" * 100_000)
    job_id = bulk.submit(selection)
    Path(selection["path"]).unlink()
    kept = "select chunk from enrollment.kept_inputs where work_id = :job"
    assert len(bulk.query(kept, job=job_id)) == 3

    bulk.phases(job_id).select()

    assert bulk.query(kept, job=job_id) == []
    assert bulk.describe(job_id)["outcomes"]["unmatched"] == 100_000
    assert {path.name for path in bulk.settings.scratch.iterdir()} <= {"inbox.lock"}


def test_the_values_of_a_file_stay_text(bulk: Bulk, people: dict[str, UUID]) -> None:
    wild = [
        "=1+1@example.com",
        "+eve@example.com",
        "\\N",
        "\\.",
        "null",
        "'; drop table x; --",
        "%",
    ]
    job_id = bulk.submit(bulk.csv("email\n" + "\n".join(wild)))
    job = bulk.finish(job_id)
    assert [row["identifier"] for row in bulk.rows(job_id)] == wild
    assert job["outcomes"]["unmatched"] == len(wild) - 1
    assert bulk.enrolled_by(job_id) == {people["+eve"]}
