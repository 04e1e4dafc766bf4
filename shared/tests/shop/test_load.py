"""The notebook's load: it sends what it should, and sees what has gone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from amazonian.resilience import web
from amazonian.resilience.database import open_database
from amazonian.shop import calls, carts
from amazonian.shop.load import Load


def test_it_tells_how_many_acknowledged_lines_are_missing(
    tmp_path: Path, closing: Callable
) -> None:
    database = closing(open_database(tmp_path / "carts.db", carts.SCHEMA))
    with web.serving(web.App(carts.routes(database))) as url:
        with Load(url, threads=2, each=5, name="n") as load:
            load.wait_for(10)
        call = calls.over_http(url)
        assert (len(load.answered), load.failed(), load.lost(call)) == (10, 0, 0)
        call("PUT", "/carts/n1/lines/3", {"quantity": 0})
        assert load.lost(call) == 1


def test_it_counts_requests_that_fail_and_holds_nobody_to_them() -> None:
    with web.serving(web.App()) as url, Load(url, threads=1, each=3) as load:
        load.wait_for(3)
    assert load.failed() == 3
    assert load.told == {"user0": []}


def test_it_does_not_wait_for_what_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amazonian.shop.load.WAITS_S", 0.0)
    with pytest.raises(TimeoutError, match="0 of 1 requests"):
        Load("http://127.0.0.1:9").wait_for(1)
