"""Stations for tests: those of the demo (`hub.demo.station`), against a gateway or a small hub of their own."""

from __future__ import annotations

from hub.demo.station import Address, NotHeard, Station
from hub.demo.station16 import station16
from hub.demo.station201 import station201

__all__ = ["Address", "NotHeard", "Station", "station16", "station201"]
