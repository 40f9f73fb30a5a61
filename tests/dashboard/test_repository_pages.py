"""A repository's pages show what is at the revision, bounded, and nothing to those who may not see it."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.core import gates
from apps.core.errors import Forbidden
from apps.core.principal import Principal
from apps.dashboard import browse
from apps.repositories import blobs
from apps.repositories.commits import branch_create, tag_create
from apps.repositories.git.pointers import Pointer, render
from tests.dashboard.conftest import MakeRepository, put
from tests.support.html import Page

CARD = b"---\nlicense: mit\ntags: [clip]\n---\n# Shapes\n\nSome *shapes*.\n\n![red](images/red.png)\n"


def text_of(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return Page.of(answer.content.decode()).text


def test_the_card_its_tags_and_the_head_are_shown(alices_browser: Client, make_repository: MakeRepository) -> None:
    repository = make_repository(README_dot_md=CARD)
    answer = alices_browser.get("/datasets/acme/shapes")
    page = Page.of(answer.content.decode())
    repository.refresh_from_db()
    assert "Some shapes ." in page.text
    assert "license:mit" in page.text
    assert repository.head_sha in page.text
    assert "Commits 2" in page.text
    assert "git clone http://127.0.0.1/datasets/acme/shapes" in page.text
    assert [image["src"] for image in page.all("img")] == ["/datasets/acme/shapes/resolve/main/images/red.png"]


def test_a_repository_without_a_card_says_so(alices_browser: Client, make_repository: MakeRepository) -> None:
    make_repository("emblem", "model")
    assert "There is no card yet" in text_of(alices_browser, "/acme/emblem")


def test_a_repository_whose_main_is_gone_says_how_to_begin(
    alices_browser: Client, make_repository: MakeRepository
) -> None:
    repository = make_repository("emblem", "model")
    (repository.git_dir / "refs/heads/main").unlink()
    assert "no commits yet" in text_of(alices_browser, "/acme/emblem")
    assert "no commits yet" in text_of(alices_browser, "/acme/emblem/tree/main")


def test_names_are_found_in_any_case_and_shown_as_written(
    alices_browser: Client, make_repository: MakeRepository
) -> None:
    make_repository("Shapes")
    assert "acme / Shapes" in text_of(alices_browser, "/datasets/ACME/shapes")


def test_folders_come_first_and_lead_to_their_files(alices_browser: Client, make_repository: MakeRepository) -> None:
    make_repository(a_dot_txt=b"first", z__b_dot_txt=b"second")
    page = Page.of(alices_browser.get("/datasets/acme/shapes/tree/main").content.decode())
    links = [link["href"] for link in page.all("a") if "/main/" in link["href"] and "resolve" not in link["href"]]
    assert links[0] == "/datasets/acme/shapes/tree/main/z"
    assert "/datasets/acme/shapes/blob/main/a.txt" in links
    assert "b.txt" in text_of(alices_browser, links[0])


def test_a_revision_with_a_slash_is_one_segment(
    alices_browser: Client, make_repository: MakeRepository, as_alice: Principal
) -> None:
    repository = make_repository(z__b_dot_txt=b"second")
    branch_create(actor=as_alice, repository=repository, branch="feature/x")
    tag_create(actor=as_alice, repository=repository, tag="v1", revision="main")
    page = Page.of(alices_browser.get("/datasets/acme/shapes/tree/main").content.decode())
    links = [link["href"] for link in page.all("a")]
    assert "/datasets/acme/shapes/tree/feature%2Fx" in links
    assert "/datasets/acme/shapes/tree/v1" in links
    # The test client decodes once before Django sees the path; the server itself keeps %2F.
    assert "b.txt" in text_of(alices_browser, "/datasets/acme/shapes/tree/feature%252Fx/z")


def test_names_of_files_may_hold_anything_that_addresses_treat_specially(
    alices_browser: Client, make_repository: MakeRepository, as_alice: Principal
) -> None:
    name = 'a "b" #1?&<i>ü%41.txt'
    put(as_alice, make_repository(), {f"x y/{name}": b"inside"})
    page = Page.of(alices_browser.get("/datasets/acme/shapes/tree/main/x%20y").content.decode())
    link = next(link["href"] for link in page.all("a") if "/blob/" in link["href"])
    shown = text_of(alices_browser, link)
    assert "inside" in shown
    assert name in shown


def test_text_is_shown_escaped(alices_browser: Client, make_repository: MakeRepository) -> None:
    make_repository(page_dot_html=b"<script>alert(1)</script>")
    answer = alices_browser.get("/datasets/acme/shapes/blob/main/page.html").content.decode()
    assert Page.of(answer).active() == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer


def test_a_long_text_is_cut_between_characters(alices_browser: Client, make_repository: MakeRepository) -> None:
    make_repository(long_dot_txt=b"x" + "ü".encode() * browse.MAX_PREVIEW)
    answer = alices_browser.get("/datasets/acme/shapes/blob/main/long.txt")
    assert "Only the beginning is shown" in answer.content.decode()
    assert len(answer.content) < browse.MAX_PREVIEW + 20_000
    assert "�" not in answer.content.decode()


def test_what_is_not_text_has_no_preview(
    alices_browser: Client, make_repository: MakeRepository, as_alice: Principal
) -> None:
    repository = make_repository(a_dot_dat=b"\x00\x01", b_dot_dat=b"\xff\xfe\xfa")
    blobs.possess(repository, sha256="0" * 64, size=5)
    put(as_alice, repository, {"c.dat": render(Pointer("0" * 64, 5))})
    for name in ("a.dat", "b.dat", "c.dat"):
        assert "no preview" in text_of(alices_browser, f"/datasets/acme/shapes/blob/main/{name}")


def test_a_picture_is_shown_from_the_commit_that_was_looked_at(
    alices_browser: Client, make_repository: MakeRepository
) -> None:
    repository = make_repository("emblem", "model", red_dot_gif=b"GIF89a")
    repository.refresh_from_db()
    page = Page.of(alices_browser.get("/acme/emblem/blob/main/red.gif").content.decode())
    assert [image["src"] for image in page.all("img")] == [f"/acme/emblem/resolve/{repository.head_sha}/red.gif"]


def test_a_drawing_that_may_hold_scripts_is_not_shown_as_a_picture(
    alices_browser: Client, make_repository: MakeRepository
) -> None:
    make_repository(drawing_dot_svg=b"<svg onload='alert(1)'/>")
    page = Page.of(alices_browser.get("/datasets/acme/shapes/blob/main/drawing.svg").content.decode())
    assert page.all("img") == page.active() == []


def test_a_folder_of_thousands_is_bounded(
    alices_browser: Client, make_repository: MakeRepository, as_alice: Principal
) -> None:
    put(as_alice, make_repository(), {f"many/{number}.txt": b"" for number in range(browse.MAX_ENTRIES + 1)})
    shown = text_of(alices_browser, "/datasets/acme/shapes/tree/main/many")
    assert f"Only the first {browse.MAX_ENTRIES} are shown" in shown


def test_what_is_not_there_is_a_page_that_says_so(alices_browser: Client, make_repository: MakeRepository) -> None:
    make_repository(a_dot_txt=b"first")
    for path in (
        "tree/nowhere",
        "tree/main/nothing",
        "blob/main/nothing.txt",
        "tree/main/a.txt",
        "blob/main/../../etc",
    ):
        answer = alices_browser.get(f"/datasets/acme/shapes/{path}")
        assert answer.status_code == 404, path
        assert Page.of(answer.content.decode()).all("h1"), path


def test_a_private_repository_is_nowhere_for_strangers(
    charlies_browser: Client, anonymous_browser: Client, bobs_browser: Client, make_repository: MakeRepository
) -> None:
    make_repository("secret")
    make_repository("open", visibility="public")
    for browser in (charlies_browser, anonymous_browser):
        listed = text_of(browser, "/acme")
        assert "acme/open" in listed
        assert "secret" not in listed
        assert browser.get("/datasets/acme/secret").status_code == 404
    assert "acme/secret" in text_of(bobs_browser, "/acme")


def test_a_file_passes_the_gate_that_downloads_pass(
    alices_browser: Client, make_repository: MakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(a_dot_txt=b"first")

    def closed(download: object) -> None:
        raise Forbidden("This file is held back.")

    monkeypatch.setitem(gates.download.checks._items, "closed", closed)
    answer = alices_browser.get("/datasets/acme/shapes/blob/main/a.txt")
    assert answer.status_code == 403
    assert "held back" in answer.content.decode()
