"""What a station says it can, read from its configuration (OCPP 1.6) or its base report (2.x). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

FEATURE_PROFILES = "SupportedFeatureProfiles"
SMART_CHARGING = ("SmartCharging", "SmartChargingCtrlr")
RESERVATION = ("Reservation", "ReservationCtrlr")


def read_features(text: str) -> Mapping[str, str]:
    """Features as they are kept; none where nothing was heard yet."""
    read = json.loads(text) if text else {}
    return read if isinstance(read, dict) else {}


def lacks(features: Mapping[str, str], feature: tuple[str, str]) -> bool:
    """Whether a station surely cannot do something, by the name of its feature profile (1.6) and of its component (2.x).

    One that has not told what it can is asked.
    """
    profile, component = feature
    if FEATURE_PROFILES in features:
        return profile.lower() not in {one.strip().lower() for one in features[FEATURE_PROFILES].split(",")}
    if not any("." in name for name in features):
        return False
    told = {name: value for name, value in features.items() if name.partition(".")[0] == component}
    return not told or any(
        told.get(f"{component}.{name}", "true").lower() == "false" for name in ("Available", "Enabled")
    )
