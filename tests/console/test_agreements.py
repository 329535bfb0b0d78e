"""The pages of agreements: proposed by one person, activated by another, compared, ended."""

from __future__ import annotations

from hub.console.accounts import Role
from tests.conftest import World
from tests.console.visitors import said, visitor

TERMS = "agreement: DEABC-NLMSP\nvalid: {from: 2026-10-01}\nterms: {currency: EUR, dispute_window: 30d}\n"
FORM = "/console/agreements/new/version"
PAGE = "/console/agreements/DEABC-NLMSP"


async def test_what_is_wrong_with_terms_is_told_by_field_and_nothing_that_was_written_is_lost(world: World) -> None:
    ines = await visitor(world, "ines", Role.CLERK)
    wrong = TERMS.replace("30d", "often") + "pricing: {shelf: q4}\n"
    page = (await ines.post(FORM, 400, page=FORM, terms=wrong)).text
    assert "terms.dispute_window is no number of days" in said(page)
    assert "pricing.shelf is not known" in said(page)
    assert "dispute_window: often" in page
    assert "is not YAML" in said((await ines.post(FORM, 400, page=FORM, terms="{")).text)
    assert "Nothing here" in said(await ines.get("/console/agreements"))


async def test_terms_are_proposed_by_one_and_activated_by_another_who_sees_what_changed(world: World) -> None:
    ines, bo = await visitor(world, "ines", Role.APPROVER), await visitor(world, "bo", Role.APPROVER)
    await ines.post(FORM, page=FORM, terms=TERMS)
    activate = f"{PAGE}/versions/1/activate"
    assert "another person has to" in said((await ines.post(activate, 409, page=PAGE)).text)
    await bo.post(activate, page=PAGE)
    again = await ines.get(f"{FORM}?of=DEABC-NLMSP")
    assert "version:" not in again
    assert "dispute_window: 30d" in again
    await ines.post(
        FORM, page=FORM, terms=TERMS.replace("30d", "45d").replace("2026-10-01", "2030-01-01"), of="DEABC-NLMSP"
    )
    page = said(await bo.get(PAGE))
    assert "terms.dispute_window Days in which a CDR may be disputed. 30d 45d" in page
    assert "2 proposed" in page
    assert "overlaps version 1" in said((await bo.post(f"{PAGE}/versions/2/activate", 409, page=PAGE)).text)
    await bo.post(f"{PAGE}/versions/1/end", 400, page=PAGE, at="soon")
    await bo.post(f"{PAGE}/versions/1/end", page=PAGE, at="2030-01-01")
    await bo.post(f"{PAGE}/versions/2/activate", page=PAGE)
    assert "2 active" in said(await bo.get("/console/agreements?creditor=DE/ABC"))
    audit = said(await (await visitor(world, "ada", Role.ADMIN)).get("/console/audit?target=DEABC-NLMSP"))
    assert ("agreement proposed" in audit, "agreement activated" in audit, "agreement ended" in audit) == (True,) * 3


async def test_a_clerk_proposes_and_does_not_activate(world: World) -> None:
    ines, vera = await visitor(world, "ines", Role.CLERK), await visitor(world, "vera", Role.VIEWER)
    await vera.get(FORM, 403)
    await ines.post(FORM, page=FORM, terms=TERMS)
    await ines.post(f"{PAGE}/versions/1/activate", 403)
    await ines.post(f"{PAGE}/versions/1/end", 403)
    assert "no agreement DEABC-NLOTH" in said(await vera.get("/console/agreements/DEABC-NLOTH", 404))
