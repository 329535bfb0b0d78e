"""Public tariffs in one process: the copies as they are, nothing else, and a stamp that moves with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.navigation import prices as kept
from hub.navigation.prices import Prices
from hub.navigation.tariffs import Name, name_of
from hub.store.copies import Copies, Crawled
from hub.store.database import Database
from hub.store.direct import Unavailable
from hub.store.publicplaces import OpenQuery, PublicPlaces, Standing
from hub.store.publictariffs import PublicTariffs, SharedTariff
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.tariffs import TARIFFS
from ocpi_modules.types import decode_json, fold
from tests.navigation.driving import OWNER, ad_hoc
from tests.pricing.build import START, Content, at, component, element
from tests.pricing.build import tariff as roaming
from tests.store import push

CPO, OTHER_CPO = Party.parse(OWNER), Party("DE", "XYZ")
EMSP, OTHER_EMSP = Party("NL", "MS1"), Party("BE", "MS2")
MINUTE = timedelta(minutes=1)
KWH = element(component("ENERGY", "0.50", vat="20"))


@dataclass
class Watch:
    """A clock that stands still until it is set."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment


@dataclass
class House:
    """The copies, and the prices that are made of them."""

    database: Database
    copies: Copies
    watch: Watch
    prices: Prices

    async def say(self, content: Content, **how: Any) -> None:
        """An owner sends a tariff, to everybody or to one party."""
        await self.copies.keep(push("tariffs", content, at=START, **how))

    async def take_away(self, tariff_id: str) -> None:
        await self.copies.keep(push("tariffs", None, ids=(tariff_id,), owner=CPO, purpose=Purpose.REMOVE))

    async def list_only(self, *ids: str, hours: int) -> None:
        """The complete list of the owner has these and no others."""
        now = START + timedelta(hours=hours)
        seen = [(fold(id_), "") for id_ in ids]
        await self.copies.mark_missing(
            Crawled(module=TARIFFS, owner=CPO, seen=seen, at=now, crawled_before=now - MINUTE)
        )

    async def shown(self) -> list[str]:
        """The ids of all that is public, after a look."""
        await self.prices.look()
        page = await self.prices.page(OpenQuery())
        ids = [decode_json(text)["id"] for text in page.texts]
        assert page.total == len(ids)
        names = [name_of(owner, id_) for owner in (OWNER, str(OTHER_CPO)) for id_ in ("T1", "T2", "T3", "T4")]
        public = await self.prices.public(names)
        assert sorted(tariff.terms.id for tariff in public.values()) == sorted(ids), "one definition of public"
        return ids

    async def another(self) -> Prices:
        """The same in another process."""
        prices = Prices(PublicTariffs(self.database.direct), self.watch)
        await prices.look()
        return prices


@pytest.fixture
async def house(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(kept, "LOOK_SECONDS", 0.0)
    copies, watch = Copies(database.direct), Watch()
    yield House(database, copies, watch, Prices(PublicTariffs(database.direct), watch))
    await copies.close()


# --- what is public ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        pytest.param(ad_hoc(KWH), {}, ["T1"], id="for drivers without contract, said to everybody"),
        pytest.param(ad_hoc(KWH), {"audience": EMSP}, [], id="said to one party alone"),
        pytest.param(roaming(KWH), {}, [], id="N7: without a type"),
        pytest.param(roaming(KWH, type="REGULAR"), {}, [], id="N7: a price between companies"),
        pytest.param(ad_hoc(KWH, end_date_time=at(-1)), {}, [], id="ended"),
        pytest.param(ad_hoc(KWH, start_date_time=at(1)), {}, [], id="not begun"),
        pytest.param(ad_hoc(KWH, start_date_time=at(-1), end_date_time=at(1)), {}, ["T1"], id="begun and not ended"),
        pytest.param({**ad_hoc(KWH), "currency": "euro"}, {}, [], id="no Tariff of OCPI"),
        pytest.param({**ad_hoc(), "elements": []}, {}, [], id="without a price"),
    ],
)
async def test_what_is_public_is_told_by_the_copy(
    house: House, content: Content, how: dict[str, Any], expected: list[str]
) -> None:
    await house.say(content, **how)
    assert await house.shown() == expected


async def test_what_one_party_was_told_changes_nothing_for_everybody(house: House) -> None:
    await house.say(ad_hoc(KWH))
    await house.say(roaming(KWH, id="T2"))
    await house.say(roaming(KWH, id="T1"), audience=EMSP)
    await house.say(ad_hoc(KWH, id="T2"), audience=EMSP)
    assert await house.shown() == ["T1"]


async def test_what_the_complete_list_of_its_owner_lacks_is_not_public_until_it_is_there_again(house: House) -> None:
    await house.say(ad_hoc(KWH))
    await house.say(ad_hoc(KWH, id="T2"))
    await house.list_only("T2", hours=1)
    assert await house.shown() == ["T2"]
    await house.list_only("T1", hours=2)
    assert await house.shown() == ["T1"]
    await house.say(ad_hoc(KWH, id="T2", last_updated=at(180)))
    assert await house.shown() == ["T1", "T2"]


async def test_tariffs_of_an_owner_that_is_no_member_are_not_public(house: House) -> None:
    places = PublicPlaces(house.database.direct)
    await house.say(ad_hoc(KWH))
    await places.stands(CPO, Standing(is_member=False, silent_since=None))
    assert await house.shown() == []
    await places.stands(CPO, Standing(is_member=True, silent_since=None))
    assert await house.shown() == ["T1"]


async def test_a_tariff_that_is_changed_or_taken_away_is_so_at_the_next_look(house: House) -> None:
    await house.say(ad_hoc(KWH))
    assert await house.shown() == ["T1"]
    await house.say(ad_hoc(element(component("ENERGY", "0.70", vat="20")), last_updated=at(1)))
    await house.prices.look()
    assert (await house.prices.of_features({7: (OWNER, ["t1"])}))[7]["ad_hoc"]["kwh"] == "0.84"
    await house.say(roaming(KWH, type="REGULAR", last_updated=at(2)))
    assert await house.shown() == []
    await house.take_away("T1")
    await house.say(ad_hoc(KWH, last_updated=at(3)))
    assert await house.shown() == ["T1"]


async def test_what_became_a_price_between_companies_is_shown_to_nobody_even_before_the_next_look(house: House) -> None:
    """N7: the list reads texts that may be newer than what it knows."""
    await house.say(ad_hoc(KWH))
    await house.prices.look()
    await house.say(roaming(KWH, type="REGULAR", last_updated=at(2)))
    assert (await house.prices.page(OpenQuery())).texts == ()
    assert await house.prices.public([name_of(OWNER, "T1")]) == {}


# --- the stamp --------------------------------------------------------------------------------------


async def stamps(house: House) -> str:
    await house.prices.look()
    stamp = house.prices.stamp
    assert (await house.another()).stamp == stamp, "processes that know the same say the same"
    return stamp


async def test_the_stamp_moves_with_everything_that_can_change_a_price_and_with_nothing_else(
    house: House, example: Any
) -> None:
    places = PublicPlaces(house.database.direct)
    seen = [await stamps(house)]

    async def moved() -> bool:
        seen.append(await stamps(house))
        return seen[-1] not in seen[:-1]

    await house.say(ad_hoc(KWH, end_date_time=at(30)))
    assert await moved()
    await house.say(ad_hoc(KWH, end_date_time=at(30), last_updated=at(1)))
    assert await moved()
    await house.copies.keep(push("tokens", example("token")))
    await house.copies.keep(push("tariffs", ad_hoc(KWH, end_date_time=at(30), last_updated=at(1)), is_pulled=True))
    assert not await moved()
    await house.list_only(hours=1)
    assert await moved()
    await house.list_only("T1", hours=2)
    assert seen[-1] != await stamps(house)
    await places.stands(CPO, Standing(is_member=False, silent_since=None))
    assert await moved()
    house.watch.moment += 29 * MINUTE
    assert not await moved()
    house.watch.moment += 2 * MINUTE
    assert await moved()
    await house.take_away("T1")
    assert await moved()


async def test_the_stamp_of_some_tariffs_moves_with_them_alone(house: House) -> None:
    mine, others = [name_of(OWNER, "T1"), name_of(OWNER, "NONE")], [name_of(OWNER, "T2")]
    await house.say(ad_hoc(KWH, end_date_time=at(30)))
    await stamps(house)
    first, nothing = house.prices.stamp_of(mine), house.prices.stamp_of(others)
    assert first != nothing == house.prices.stamp_of([])
    await house.say(ad_hoc(KWH, id="T2"))
    await house.say(roaming(KWH, id="T3", type="REGULAR"))
    await stamps(house)
    assert house.prices.stamp_of(mine) == first == (await house.another()).stamp_of([*reversed(mine), *mine])
    assert house.prices.stamp_of(others) != nothing
    house.watch.moment += 31 * MINUTE
    assert house.prices.stamp_of(mine) == nothing, "it ended"


async def test_what_happens_to_tariffs_that_are_not_public_leaves_the_stamp(house: House) -> None:
    await house.say(ad_hoc(KWH))
    before = await stamps(house)
    await house.say(roaming(KWH, id="T2", type="REGULAR"))
    await house.say(roaming(KWH, id="T2", type="REGULAR", last_updated=at(1)))
    assert await stamps(house) == before


async def test_a_look_that_fails_in_the_middle_is_made_up_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.shown()
    for number in (1, 2, 3):
        await house.say(ad_hoc(KWH, id=f"T{number}"))
    read, calls = PublicTariffs.shared, list[int]()

    async def fails_once(self: PublicTariffs, names: Collection[Name]) -> list[SharedTariff]:
        calls.append(len(names))
        if len(calls) == 2:
            raise Unavailable
        return await read(self, names)

    monkeypatch.setattr(kept, "PAGE_ROWS", 1)
    monkeypatch.setattr(PublicTariffs, "shared", fails_once)
    with pytest.raises(Unavailable):
        await house.prices.look()
    assert await house.shown() == ["T1", "T2", "T3"]


async def test_many_changes_are_read_page_by_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "CHANGES_PAGE_ROWS", 2)
    monkeypatch.setattr(kept, "PAGE_ROWS", 2)
    await house.prices.look()
    for number in range(1, 5):
        await house.say(ad_hoc(KWH, id=f"T{number}"))
    assert await house.shown() == ["T1", "T2", "T3", "T4"]
    assert len((await (await house.another()).page(OpenQuery())).texts) == 4


# --- pages ------------------------------------------------------------------------------------------


async def test_pages_are_in_the_order_in_which_tariffs_were_first_seen_and_do_not_shift(house: House) -> None:
    for number in range(1, 5):
        await house.say(ad_hoc(KWH, id=f"T{number}", last_updated=at(number)))
    await house.say(roaming(KWH, id="R"))
    await house.say(ad_hoc(KWH, id="T1", last_updated=at(9)))
    assert await house.shown() == ["T1", "T2", "T3", "T4"]
    page = await house.prices.page(OpenQuery(offset=1, limit=2))
    assert ([decode_json(text)["id"] for text in page.texts], page.total) == (["T2", "T3"], 4)
    recent = await house.prices.page(OpenQuery(date_from=START + 3 * MINUTE, date_to=START + 9 * MINUTE))
    assert ([decode_json(text)["id"] for text in recent.texts], recent.total) == (["T3", "T4"], 2)
    assert recent.changed_at == START + 4 * MINUTE


async def test_a_text_is_listed_as_it_came(house: House) -> None:
    change = push("tariffs", ad_hoc(KWH, x_vendor={"a": Decimal("1.50")}))
    await house.copies.keep(change)
    assert (await house.prices.page(OpenQuery())).texts == (change.text,)


# --- answers ----------------------------------------------------------------------------------------


async def test_features_have_the_price_of_their_own_tariffs(house: House) -> None:
    await house.say(ad_hoc(KWH))
    await house.say(roaming(KWH, id="T2"))
    asked = {1: (OWNER, ["T1", "t1"]), 2: (OWNER, ["T2"]), 3: (str(OTHER_CPO), ["T1"]), 4: (OWNER, [])}
    found = await house.prices.of_features(asked)
    assert found[1]["ad_hoc"]["kwh"] == "0.6"
    assert [found[number] for number in (2, 3, 4)] == [{"ad_hoc": "unknown"}] * 3


async def test_open_formats_get_prices_with_vat_only(house: House) -> None:
    hours = component("TIME", "3", vat="20")
    await house.say(ad_hoc(element(component("ENERGY", "0.50", vat="20"), hours), last_updated=at(1)))
    await house.say(ad_hoc(element(component("ENERGY", "0.50")), id="T2"))
    await house.say(roaming(KWH, id="T3"))
    found = await house.prices.adhoc({(OWNER, "t1"), (OWNER, "T2"), (OWNER, "T3")})
    (price,) = found.values()
    assert [*found] == [(OWNER, "t1")]
    assert (price.per_kwh, price.per_minute, price.per_session) == (Decimal("0.6"), Decimal("0.06"), None)
    assert (price.currency, price.updated_at) == ("EUR", START + MINUTE)


async def test_what_is_kept_is_bounded_and_more_can_be_asked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PRICES_MAX", 1)
    for number in range(1, 5):
        await house.say(ad_hoc(KWH, id=f"T{number}"))
    assert await house.shown() == ["T1", "T2", "T3", "T4"]
    assert await house.shown() == ["T1", "T2", "T3", "T4"]


async def test_what_is_kept_is_asked_for_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.say(ad_hoc(KWH))
    first = await house.prices.of_features({1: (OWNER, ["T1"])})
    monkeypatch.delattr(PublicTariffs, "shared")
    assert await house.prices.of_features({1: (OWNER, ["T1"])}) == first


async def test_an_emsp_sees_what_everybody_was_told_and_what_it_was_told_alone(house: House) -> None:
    """X-13: what was sent to it alone stands in the place of what everybody was told."""
    await house.say(roaming(KWH))
    await house.say(roaming(KWH, id="T2"))
    await house.say(roaming(element(component("FLAT", "1")), id="T2"), audience=EMSP)
    await house.say(roaming(KWH, id="T3"), audience=OTHER_EMSP)
    names = [name_of(OWNER, id_) for id_ in ("T1", "T2", "T3")]
    seen = await house.prices.seen_by(EMSP, names, ())
    assert {name[1]: bool(tariff.terms.flat) for name, tariff in seen.items()} == {"T1": False, "T2": True}
    assert [*await house.prices.seen_by(OTHER_EMSP, names, ())] == names
    assert await house.prices.seen_by(EMSP, names, frozenset({CPO})) == {}


async def test_an_emsp_does_not_see_what_the_list_of_its_owner_lacks(house: House) -> None:
    await house.say(roaming(KWH))
    await house.list_only(hours=1)
    assert await house.prices.seen_by(EMSP, [name_of(OWNER, "T1")], ()) == {}
