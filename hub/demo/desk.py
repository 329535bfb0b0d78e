"""What a demo platform says to a functional request: its own objects as SENDER, what it was told as RECEIVER. No HTTP here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hub.demo.shelf import Key, Object, Shelf, Window, key_of
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters, UnknownToken, unknown_object
from ocpi_modules.headers import next_link, read_count
from ocpi_modules.message import Message, Reply, judge_identity, judge_object, judge_whole
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.patch import find_part, is_older, merge_patch, put_part
from ocpi_modules.tokens import TokenType
from ocpi_modules.types import encode_json, means_the_same, parse_datetime, same

PAGE_MAX_OBJECTS = 50
RESULTS_MAX = 1000
COMMAND_TIMEOUT_SECONDS = 30

Shelves = dict[str, Shelf]


class Desk:
    """Answers for one platform; `urls` tells the address of an interface.

    `owned` holds what the platform offers as SENDER, `kept` what it received, `results` what came to its callbacks.
    `verdicts` overrides the answer to an authorization by token uid; `command_answer` is said to each command and charging profile.
    """

    def __init__(self, url_of: Callable[[str, Interface], str]) -> None:
        self.owned: Shelves = {module_id: Shelf() for module_id in MODULES}
        self.kept: Shelves = {module_id: Shelf() for module_id in MODULES}
        self.results: deque[tuple[str, Object]] = deque(maxlen=RESULTS_MAX)
        self.verdicts: dict[str, str] = {}
        self.command_answer = "NOT_SUPPORTED"
        self.page_max_objects = PAGE_MAX_OBJECTS
        self._url_of = url_of

    def offer(self, module_id: str, content: Object) -> None:
        """Have an object of the platform's own, to be read at its SENDER interface."""
        self.owned[module_id].put(key_of(MODULES[module_id], content), content)

    def answer(self, message: Message) -> Reply:
        """The reply to a request. Raises OcpiError."""
        if message.module.is_functional:
            judge_identity(message)
        judge_object(message)
        return _ANSWERS[message.purpose](self, message)

    # --- lists and single objects ---------------------------------------------------------------

    def _list(self, message: Message) -> Reply:
        found = self.owned[message.module.id].within(_window(message))
        offset, limit = _count(message, "offset", 0), _count(message, "limit", self.page_max_objects)
        limit = min(limit, self.page_max_objects)
        page = found[offset : offset + limit]
        headers = {"X-Total-Count": str(len(found)), "X-Limit": str(limit)}
        if offset + limit < len(found):
            headers["Link"] = next_link(self._page_url(message, offset + limit, limit))
        return Reply(data=encode_json(page), headers=headers)

    def _page_url(self, message: Message, offset: int, limit: int) -> str:
        kept = [(name, value) for name, value in parse_qsl(message.raw_query) if name not in ("offset", "limit")]
        query = urlencode([*kept, ("offset", offset), ("limit", limit)])
        return f"{self._url_of(message.module.id, Interface.SENDER)}?{query}"

    def _read(self, message: Message) -> Reply:
        if message.interface is Interface.SENDER:
            whole, ids = self.owned[message.module.id].named(message.keys[0]), message.keys[1:]
        elif not message.object_keys:  # a ClientInfo has no id but its party
            return Reply(data=encode_json(self._client_info(message)))
        else:
            whole, ids = self._stored(message), message.object_keys[1:]
        found = find_part(message.module, whole, ids) if whole is not None else None
        if found is None:
            raise _not_here(message)
        return Reply(data=encode_json(found))

    def _client_info(self, message: Message) -> Object:
        owner = Party.of(*message.keys)
        found = self.kept["hubclientinfo"].within(Window(owner))
        if not found:
            raise _not_here(message)
        return found[0]

    # --- what others push -----------------------------------------------------------------------

    def _replace(self, message: Message) -> Reply:
        if not message.object_keys:
            self._keep(message, Key.of(Party.of(*message.keys), "", message.content["role"]), message.content)
            return Reply()
        if message.depth == 0:
            return self._replace_whole(message)
        whole = self._parent(message)
        self._keep(message, self._key(message), self._judged(message, put_part, whole))
        return Reply()

    def _replace_whole(self, message: Message) -> Reply:
        stored = self._stored(message)
        if stored is not None and is_older(message.content, stored):
            return Reply(message="an older version was not stored")
        is_new = self._keep(message, self._key(message), message.content)
        return Reply(http_status=201 if is_new else 200)

    def _update(self, message: Message) -> Reply:
        whole = self._parent(message)
        if find_part(message.module, whole, message.object_keys[1:]) is None:
            raise _not_here(message)
        self._keep(message, self._key(message), self._judged(message, merge_patch, whole))
        return Reply()

    def _judged(self, message: Message, change: Callable[..., Object], whole: Object) -> Object:
        changed = change(message.module, whole, message.object_keys[1:], message.content)
        judge_whole(message.module.object_at(0), changed)
        return changed

    def _add(self, message: Message) -> Reply:
        owner = message.owner
        assert owner is not None, "judge_identity asks for an owner"
        key = Key.of(owner, message.object_keys[0])
        known = self.kept[message.module.id].get(key)
        if known is not None and not means_the_same(known, message.content):
            raise InvalidParameters("there is another one with this id already")
        if known is None:
            self._keep(message, key, message.content)
        base = self._url_of(message.module.id, Interface.RECEIVER)
        location = f"{base}/{owner}/{message.content[message.module.key]}"
        return Reply(http_status=201, headers={"Location": location})

    def _remove(self, message: Message) -> Reply:
        if not self.kept[message.module.id].remove(self._key(message)):
            raise _not_here(message)
        return Reply()

    def _keep(self, message: Message, key: Key, content: Object) -> bool:
        return self.kept[message.module.id].put(key, content)

    def _key(self, message: Message) -> Key:
        owner = message.owner
        assert owner is not None, "the URL of an owned object names its owner"
        return Key.of(owner, message.object_keys[0], message.variant)

    def _stored(self, message: Message) -> Object | None:
        return self.kept[message.module.id].get(self._key(message))

    def _parent(self, message: Message) -> Object:
        whole = self._stored(message)
        if whole is None or find_part(message.module, whole, message.object_keys[1:-1]) is None:
            raise _not_here(message)
        return whole

    # --- requests that want something done -------------------------------------------------------

    def _act(self, message: Message) -> Reply:
        if message.module.id == "tokens":
            return self._authorize(message)
        if message.module.id == "sessions":
            return Reply(data=encode_json("NOT_POSSIBLE"))
        if message.interface is Interface.SENDER:  # the active profile of a session, told by its CPO
            return Reply()
        return Reply(data=encode_json({"result": self.command_answer, "timeout": COMMAND_TIMEOUT_SECONDS}))

    def _authorize(self, message: Message) -> Reply:
        uid = message.keys[0]
        token = self._token(uid, message.query.get("type"))
        if token is None:
            raise UnknownToken(http_status=404)
        allowed = self.verdicts.get(uid, "ALLOWED" if token["valid"] else "BLOCKED")
        info: Object = {"allowed": allowed, "token": token}
        if allowed == "ALLOWED":
            info["authorization_reference"] = message.request_id[:36]
            if message.content is not None:
                info["location"] = message.content
        return Reply(data=encode_json(info))

    def _token(self, uid: str, token_type: str | None) -> Object | None:
        kind = token_type or TokenType.RFID.value
        return next(
            (t for t in self.owned["tokens"] if same(t["uid"], uid) and same(t["type"], kind)),
            None,
        )

    def _result(self, message: Message) -> Reply:
        self.results.append((message.keys[0], message.content))
        return Reply()


_ANSWERS: dict[Purpose, Callable[[Desk, Message], Reply]] = {
    Purpose.LIST: Desk._list,
    Purpose.READ: Desk._read,
    Purpose.REPLACE: Desk._replace,
    Purpose.UPDATE: Desk._update,
    Purpose.ADD: Desk._add,
    Purpose.REMOVE: Desk._remove,
    Purpose.ACT: Desk._act,
    Purpose.RESULT: Desk._result,
}


def _window(message: Message) -> Window:
    return Window(message.receiver, _moment(message, "date_from"), _moment(message, "date_to"))


def _moment(message: Message, name: str) -> Any:
    text = message.query.get(name)
    try:
        return parse_datetime(text) if text else None
    except ValueError as exc:
        raise InvalidParameters(f"{name} is not a DateTime") from exc


def _count(message: Message, name: str, default: int) -> int:
    text = message.query.get(name)
    count = read_count(text) if text is not None else default
    if count is None:
        raise InvalidParameters(f"{name} is not a count")
    return count


def _not_here(message: Message) -> Exception:
    return unknown_object(message.module.unknown_code, f"there is no such object in {message.module.id}")
