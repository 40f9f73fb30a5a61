"""A job's page says how far it is while it runs, and what came of it afterwards."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.dashboard.templatetags.atrium import micro_units, percent
from apps.dashboard.views.jobs import LOG_LINES, SPEC_CHARACTERS
from apps.jobs.models import Job, JobArtefact, JobLogLine
from tests.dashboard.conftest import MakeJob
from tests.support.html import Page

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINS = {"images": {"name": "acme/shapes", "kind": "dataset", "revision": "main", "commit": COMMIT}}
RESULT = {
    "summary": {"images": 2, "failed": 1},
    "preview": [
        {
            "path": "images/a red #1.png",
            "status": "ok",
            "scores": [{"label": "red <b>", "score": 0.875}, {"label": "blue", "score": 0.125}],
        },
        {"path": "images/broken.png", "status": "failed", "reason": "The file is not a picture."},
    ],
}


def page_of(browser: Client, job: Job, query: str = "") -> Page:
    answer = browser.get(f"/jobs/acme/{job.external_id}{query}")
    assert answer.status_code == 200
    return Page.of(answer.content.decode())


def refreshes(page: Page) -> bool:
    return any(meta.get("http-equiv") == "refresh" for meta in page.all("meta"))


def buttons(page: Page) -> list[str]:
    return [form["action"] for form in page.all("form") if form["action"].endswith("/cancel")]


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_a_job_that_has_not_ended_shows_its_progress_and_loads_itself_again(
    alices_browser: Client, make_job: MakeJob, state: str
) -> None:
    job = make_job(state=state, progress_done=12, progress_total=40, progress_note="Encoding pictures")
    page = page_of(alices_browser, job)
    assert refreshes(page)
    assert (page.all("progress")[0]["value"], page.all("progress")[0]["max"]) == ("12", "40")
    assert "Encoding pictures" in page.text
    assert buttons(page) == [f"/jobs/acme/{job.external_id}/cancel"]


def test_loading_again_can_be_stopped(alices_browser: Client, make_job: MakeJob) -> None:
    assert not refreshes(page_of(alices_browser, make_job(state="running"), "?refresh=off"))


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_stays_as_it_is(alices_browser: Client, make_job: MakeJob, state: str) -> None:
    page = page_of(alices_browser, make_job(state=state))
    assert not refreshes(page)
    assert buttons(page) == []
    assert state in page.text


def test_the_facts_of_a_job_are_shown(alices_browser: Client, make_job: MakeJob) -> None:
    page = page_of(alices_browser, make_job(pins=PINS, cost_micro_units=1_500_001, attempt=2))
    for fact in (COMMIT, "acme/shapes", "1.500001", "cpu-small", "default", "by alice", '"a cat"', "2 of at most 5"):
        assert fact in page.text, fact


def test_an_error_is_shown_with_its_code(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job(state="failed", error={"code": "worker_lost", "message": "The worker was lost."})
    assert "The worker was lost. worker_lost" in page_of(alices_browser, job).text


def test_pictures_come_from_the_commit_that_was_read_beside_their_scores(
    alices_browser: Client, make_job: MakeJob
) -> None:
    page = page_of(alices_browser, make_job(state="succeeded", pins=PINS, result=RESULT))
    base = f"/datasets/acme/shapes/resolve/{COMMIT}/images"
    assert [image["src"] for image in page.all("img")] == [f"{base}/a%20red%20%231.png", f"{base}/broken.png"]
    assert [(bar["value"], bar["aria-label"]) for bar in page.all("meter")] == [("0.875", "red <b>"), ("0.125", "blue")]
    assert "87.5 %" in page.text
    assert "The file is not a picture." in page.text
    assert "failed 1 images 2" in page.text or "images 2 failed 1" in page.text


def test_pictures_of_no_repository_are_named_only(alices_browser: Client, make_job: MakeJob) -> None:
    page = page_of(alices_browser, make_job(state="succeeded", result=RESULT))
    assert page.all("img") == []
    assert "images/a red #1.png" in page.text


def test_another_kind_of_job_shows_its_summary_alone(alices_browser: Client, make_job: MakeJob) -> None:
    page = page_of(alices_browser, make_job(state="succeeded", kind="model.other", result={"summary": {"loss": 1}}))
    assert "loss 1" in page.text
    assert page.all("meter") == []


def test_the_newest_lines_of_the_log_are_shown_in_order(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job(state="running")
    lines = [
        JobLogLine(job=job, namespace_id=job.namespace_id, attempt=1, text=f"line {number}.")
        for number in range(LOG_LINES + 2)
    ]
    JobLogLine.objects.bulk_create(lines)
    text = page_of(alices_browser, job).text
    assert "line 1." not in text
    assert text.index("line 2.") < text.index(f"line {LOG_LINES + 1}.")
    assert "Earlier lines are in the API." in text


def test_a_huge_specification_is_cut(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job(spec={"labels": ["x" * 2 * SPEC_CHARACTERS]})
    page = page_of(alices_browser, job)
    assert "Cut here" in page.text
    assert len(page.text) < SPEC_CHARACTERS + 5000


def test_artefacts_lead_to_their_bytes(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job(state="succeeded")
    JobArtefact.objects.create(
        job=job,
        namespace_id=job.namespace_id,
        name="results.json",
        content_type="application/json",
        size=2,
        sha256="0" * 64,
    )
    links = [link["href"] for link in page_of(alices_browser, job).all("a")]
    assert f"/api/v1/jobs/acme/{job.external_id}/artefacts/results.json" in links


def test_cancelling_by_the_button_ends_a_queued_job(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job()
    answer = alices_browser.post(f"/jobs/acme/{job.external_id}/cancel", follow=True)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert "The job is cancelled." in Page.of(answer.content.decode()).text


def test_cancelling_what_has_ended_is_a_conflict_with_a_reason(alices_browser: Client, make_job: MakeJob) -> None:
    job = make_job(state="succeeded")
    answer = alices_browser.post(f"/jobs/acme/{job.external_id}/cancel")
    assert answer.status_code == 409
    assert "already" in Page.of(answer.content.decode()).text


def test_a_member_sees_the_jobs_of_others_but_no_button(bobs_browser: Client, make_job: MakeJob) -> None:
    job = make_job()
    assert buttons(page_of(bobs_browser, job)) == []
    assert bobs_browser.post(f"/jobs/acme/{job.external_id}/cancel").status_code == 403


def test_strangers_see_no_jobs(charlies_browser: Client, anonymous_browser: Client, make_job: MakeJob) -> None:
    job = make_job()
    for browser in (charlies_browser, anonymous_browser):
        assert browser.get("/jobs/acme").status_code == 404
        assert browser.get(f"/jobs/acme/{job.external_id}").status_code == 404


def test_a_job_is_not_found_under_another_namespace(alices_browser: Client, make_job: MakeJob) -> None:
    assert alices_browser.get(f"/jobs/alice/{make_job().external_id}").status_code == 404


def test_the_list_pages_from_newest_to_oldest_and_keeps_its_limit(alices_browser: Client, make_job: MakeJob) -> None:
    jobs = [make_job().external_id for _ in range(3)]
    first = Page.of(alices_browser.get("/jobs/acme?limit=2").content.decode())
    link = next(link["href"] for link in first.all("a") if link.get("rel") == "next")
    second = Page.of(alices_browser.get(f"/jobs/acme{link}").content.decode())
    assert jobs[2] in first.text
    assert jobs[1] in first.text
    assert jobs[0] not in first.text
    assert "limit=2" in link
    assert jobs[0] in second.text
    assert [link for link in second.all("a") if link.get("rel") == "next"] == []


def test_a_cursor_that_was_not_given_out_is_refused(alices_browser: Client, make_job: MakeJob) -> None:
    make_job()
    assert alices_browser.get("/jobs/acme?cursor=x").status_code == 400


def test_money_and_shares_are_written_out_exactly() -> None:
    assert [micro_units(value) for value in (0, 1, 1_500_000, -2)] == ["0.000000", "0.000001", "1.500000", "-0.000002"]
    assert percent(0.12345) == "12.3 %"
