"""Links to next pages: the partner's own URL, sealed into one of ours."""

from __future__ import annotations

import base64
import json

from cryptography.exceptions import InvalidTag

from hub.partners.directory import Partner
from hub.routing.routes import Forward
from hub.store.secrets import Safe
from ocpi_modules.errors import UnknownPath
from ocpi_modules.message import Message


class SealedLinks:
    """Next pages of partners behind Links of our own: opaque, bound to the caller they were given to, and good after a restart (P-14)."""

    def __init__(self, safe: Safe, base_url: str) -> None:
        self._safe, self._base = safe, base_url

    def seal(self, message: Message, route: Forward, caller: Partner, url: str) -> str:
        """Our URL for a page of the partner on this route, good for this caller alone."""
        parts = [
            route.partner.id,
            caller.id,
            str(message.sender),
            str(route.receiver),
            message.module.id,
            url,
        ]
        sealed = base64.urlsafe_b64encode(self._safe.seal(json.dumps(parts))).decode().rstrip("=")
        return f"{self._base}/pages/{message.module.id}/{sealed}"

    def open(self, sealed: str) -> tuple[int, int, str, str, str, str]:
        """Partner and caller by id, sender, receiver, module, and the partner's own URL. Raises UnknownPath for anything else."""
        try:
            text = self._safe.open(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
            partner_id, caller_id, sender, receiver, module_id, url = json.loads(text)
        except (ValueError, InvalidTag) as exc:
            raise UnknownPath from exc
        return partner_id, caller_id, sender, receiver, module_id, url
