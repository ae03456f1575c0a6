import time, threading, os
from enrollment_pipeline_tests.enrollment.conftest import *
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.storage.engine import open_database

def test_probe(make_bulk, add_workflow):
    bulk = make_bulk()
    w = add_workflow(bulk.account)
    for t in ("selected_contacts","enrollments","enrollment_batches","enrollment_failures","enrollment_jobs","contacts"):
        bulk.sql(f"alter table enrollment.{t} set (autovacuum_enabled = false)")
    few = bulk.crowd(30, "few")
    for n in range(60):
        add_workflow(bulk.account, f"few{n}")
        bulk.enroll(manual(few), f"few{n}", batch_size=10)
    bulk.sql("analyze")
    for i in os.environ.get("CASES", "abcd"):
        bulk = make_bulk()
        ids = bulk.crowd(9_970)
        w = add_workflow(bulk.account, f"w{i}")
        bulk.database = open_database(bulk.settings)
        bulk.owner.dispose()
        if i == "b":
            bulk.enroll_before(w, ids)
        t=time.monotonic()
        j = bulk.submit(EVERYBODY if i != "d" else bulk.csv("email\n" + "\n".join(f"c{n}@example.com" for n in range(1, 9971))), f"w{i}")
        p = bulk.phases(j)
        def lap(n):
            nonlocal t
            print(f"{n} {time.monotonic()-t:.2f}", end="; ", flush=True); t=time.monotonic()
        lap("submit"); p.select(); lap("select"); p.validate(); lap("validate"); p.partition(); lap("partition"); p.open_lanes(); lap("open")
        if i == "c":
            bulk.enroll_before(w, ids)
            t=time.monotonic()
        if i == "e":
            bulk.change_contacts(ids[::2], "status = 'blocked'")
            t=time.monotonic()
        p.lane(threading.Event()).drain(); lap("drain"); p.close_lanes(); p.check(); lap("check"); p.report(); lap("report")
        service.list_failures(bulk.database, bulk.account, j); lap("failures")
        bulk.describe(j); lap("describe")
        if "P" in os.environ: bulk.preview(EVERYBODY, f"w{i}"); lap("preview")
        print()
        bulk.database.close()
