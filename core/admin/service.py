"""The admin service: checks what an operator asks, has all cores do it, and says exactly what was done.

Described in `protos/tidegate/admin/v1/admin.proto`; who can reach it is the business of `core.admin.server`.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import grpc

from core.admin import answers as say
from core.admin.asks import ANSWER_SECONDS, Asks, Fields
from core.admin.entries import SessionEntry
from core.admin.fleet import FleetState, read_fleet
from core.admin.orders import MAX_FIGURES, Orders
from core.admin.selection import Matcher, Selection
from core.ban_entries import value_of
from core.bans import BanBook
from core.features.ports import BanEntry, BanKind
from core.store.protocol import Store
from protos.tidegate.admin.v1 import admin_pb2, admin_pb2_grpc
from wire.errors import MisuseError

PART = 500
MAX_LIMIT = 1_000_000
MAX_AMBIGUOUS = 10
MIN_ID_DIGITS = 6
DEFAULT_KICK = "An operator has ended your session."

Scan = Callable[[Matcher], AsyncIterator[SessionEntry]]
"""Finds the sessions that fit, of all cores: `core.admin.registry.Registry.scan`."""

_Context = Any  # grpc.aio.ServicerContext; its stubs do not follow the form with async methods


class _RefusedError(Exception):
    """What is not done, and with which status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What all cores answered. ``missing`` names those that did not; ``problem`` why others could not be asked."""

    answers: tuple[Fields, ...]
    missing: tuple[str, ...]
    problem: str

    def total(self, what: str) -> int:
        """Add a count up."""
        return sum(_count(each.get(what)) for each in self.answers)


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    """One core's; ``name`` is the core's, and ``scan`` finds sessions of all cores."""

    def __init__(self, name: str, store: Store, bans: BanBook, orders: Orders, charset: str, scan: Scan) -> None:
        self._name = name
        self._store = store
        self._bans = bans
        self._orders = orders
        self._charset = charset
        self._scan = scan
        self._asks = Asks(store, orders.answer)

    def close(self) -> None:
        """Answer other cores no more."""
        self._asks.close()

    # The calls, named by the contract.

    async def GetStatus(self, request: admin_pb2.GetStatusRequest, context: _Context) -> Any:  # noqa: N802
        """Return the fleet."""
        del request, context
        return say.status(await read_fleet(self._store), self._name)

    async def ListSessions(  # noqa: N802
        self, request: admin_pb2.ListSessionsRequest, context: _Context
    ) -> AsyncIterator[admin_pb2.ListSessionsResponse]:
        """Return sessions, the longest connected first."""
        try:
            which = await self._read(request.which)
            _check_limit(request.limit)
            found = [entry async for entry in self._scan(Matcher(which))]
            total = len(found)
            shown = heapq.nsmallest(request.limit or total, found, key=lambda entry: (entry.since, entry.id))
            for start in range(0, len(shown), PART):
                part = shown[start : start + PART]
                figures = await self._figures(part) if request.has_figures else {}
                yield admin_pb2.ListSessionsResponse(
                    sessions=[say.session(entry, figures.get(entry.id, (0, 0))) for entry in part]
                )
            status = self._store.status
            yield admin_pb2.ListSessionsResponse(
                total=total, is_partial=status.is_away, problem=status.problem, is_last=True
            )
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def KickSessions(self, request: admin_pb2.KickSessionsRequest, context: _Context) -> Any:  # noqa: N802
        """End sessions."""
        try:
            which = await self._read(request.which)
            if which.is_everybody:
                raise MisuseError("say which session, account, character, address, edge, region or core to kick")
            if which.id:
                which = await self._whole_id(which)
            text = request.text or DEFAULT_KICK
            self._orders.raw_text(text)
            outcome = await self._ask({"ask": "kick", "which": asdict(which), "text": text})
            count = outcome.total("count")
            self._check_complete(outcome, f"{count} sessions were ended")
            if not count:
                raise _not_found(f"there is no session {_described(which)}", outcome.problem)
            ids = [str(each) for answer in outcome.answers for each in answer.get("ids", ())]
            return admin_pb2.KickSessionsResponse(count=count, ids=ids)
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def AddBan(self, request: admin_pb2.AddBanRequest, context: _Context) -> Any:  # noqa: N802
        """Ban somebody."""
        try:
            kind = _ban_kind(request.kind)
            self._bans.add(kind, request.value, reason=request.reason, seconds=request.seconds, by=request.by)
            whom = self._bans.whom(kind, request.value)
            entry = self._bans.get(whom) or BanEntry(kind, value_of(whom, self._charset))
            return admin_pb2.AddBanResponse(ban=say.ban(entry), problem=self._untold())
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def RemoveBan(self, request: admin_pb2.RemoveBanRequest, context: _Context) -> Any:  # noqa: N802
        """Lift a ban."""
        try:
            kind = _ban_kind(request.kind)
            if not self._bans.remove(kind, request.value):
                raise _not_found(f"there is no ban of {kind} {request.value}", self._alone())
            return admin_pb2.RemoveBanResponse(problem=self._untold())
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def ListBans(  # noqa: N802
        self, request: admin_pb2.ListBansRequest, context: _Context
    ) -> AsyncIterator[admin_pb2.ListBansResponse]:
        """Return bans, the newest first."""
        try:
            kind = None if not request.kind else _ban_kind(request.kind)
            _check_limit(request.limit)
            wanted = request.text.casefold()
            found = [
                entry
                for entry in self._bans.all
                if kind in (None, entry.kind)
                and any(wanted in text.casefold() for text in (entry.value, entry.reason, entry.by))
            ]
            found.sort(key=lambda entry: (-entry.since, entry.value))
            shown = found[: request.limit or len(found)]
            for start in range(0, len(shown), PART):
                yield admin_pb2.ListBansResponse(bans=[say.ban(entry) for entry in shown[start : start + PART]])
            yield admin_pb2.ListBansResponse(total=len(found), is_last=True)
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def Announce(self, request: admin_pb2.AnnounceRequest, context: _Context) -> Any:  # noqa: N802
        """Tell players a text."""
        try:
            which = await self._read(request.which)
            if not request.text.strip():
                raise MisuseError("an announcement without a text")
            self._orders.raw_text(request.text)
            outcome = await self._ask({"ask": "announce", "which": asdict(which), "text": request.text})
            count, others = outcome.total("count"), outcome.total("others")
            self._check_complete(outcome, f"{count} players were told")
            if not any(answer.get("has_notices") for answer in outcome.answers):
                raise _RefusedError(
                    grpc.StatusCode.FAILED_PRECONDITION, "this game has no way to show its players a text"
                )
            if not count and not others and (which.id or which.account or which.character or which.address):
                raise _not_found(f"there is no session {_described(which)}", outcome.problem)
            return admin_pb2.AnnounceResponse(count=count, others=others)
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    async def Drain(self, request: admin_pb2.DrainRequest, context: _Context) -> Any:  # noqa: N802
        """Take a core or an edge out."""
        try:
            if request.role == admin_pb2.ROLE_UNSPECIFIED or not request.name:
                raise MisuseError("say whether it is a core or an edge, and its name")
            if request.role == admin_pb2.ROLE_CORE:
                return await self._drain_core(request.name)
            return await self._drain_edge(request.name)
        except (_RefusedError, MisuseError) as error:
            await _abort(context, error)

    # Parts.

    async def _drain_core(self, name: str) -> admin_pb2.DrainResponse:
        fleet = await read_fleet(self._store)
        owners = {owner for owner, core in fleet.cores.items() if core.name == name}
        if name == self._name:
            owners.add(self._store.owner)
        if not owners:
            raise _unknown("core", name, [core.name for core in fleet.cores.values()], self._alone())
        outcome = await self._ask({"ask": "drain_core", "name": name}, owners)
        self._check_complete(outcome, f"{outcome.total('count')} workers of {name} drain")
        was_draining = bool(outcome.answers) and all(answer.get("was_draining") for answer in outcome.answers)
        return admin_pb2.DrainResponse(sessions=outcome.total("sessions"), was_draining=was_draining)

    async def _drain_edge(self, name: str) -> admin_pb2.DrainResponse:
        fleet = await read_fleet(self._store)
        outcome = await self._ask({"ask": "drain_edge", "name": name})
        if not outcome.total("count"):
            self._check_complete(outcome, f"nobody has told the edge {name}")
            raise _unknown("edge", name, [edge.name for edge in fleet.edges], outcome.problem)
        if not outcome.total("told"):
            away = outcome.total("away")
            why = "has no tunnel at the moment" if away else "is of a version that cannot be told: drain it where it is"
            raise _RefusedError(grpc.StatusCode.FAILED_PRECONDITION, f"the edge {name} {why}")
        was_draining = all(answer.get("was_draining") for answer in outcome.answers if answer.get("told"))
        return admin_pb2.DrainResponse(sessions=outcome.total("sessions"), was_draining=was_draining)

    async def _read(self, which: admin_pb2.Selection) -> Selection:
        """Return which sessions are meant; raises MisuseError, and _RefusedError for relays that are not there."""
        selection = Selection(
            which.id.lower().replace("-", ""),
            which.core,
            which.edge,
            which.region,
            which.address,
            which.account,
            which.character,
            which.state,
        )
        Matcher(selection)  # says what cannot be
        if selection.core or selection.edge:
            self._check_there(selection, await read_fleet(self._store))
        return selection

    def _check_there(self, which: Selection, fleet: FleetState) -> None:
        cores = {core.name for core in fleet.cores.values()} | {self._name}
        edges = {edge.name for edge in fleet.edges} | self._orders.edge_names
        if which.core and which.core not in cores:
            raise _unknown("core", which.core, cores, self._alone())
        if which.edge and which.edge not in edges:
            raise _unknown("edge", which.edge, edges, self._alone())

    async def _whole_id(self, which: Selection) -> Selection:
        """Return a selection with the whole id; raises _RefusedError unless it is the beginning of one only."""
        if len(which.id) == 32:
            return which
        if len(which.id) < MIN_ID_DIGITS:
            raise MisuseError(f"{which.id!r} is too little of a session's id: at least {MIN_ID_DIGITS} digits")
        found = []
        async for entry in self._scan(Matcher(which)):
            found.append(entry.id)
            if len(found) > MAX_AMBIGUOUS:
                break
        if not found:
            raise _not_found(f"there is no session {_described(which)}", self._alone())
        if len(found) > 1:
            raise _RefusedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"several sessions begin with {which.id}; say more of it: {', '.join(sorted(found))}",
            )
        return Selection(id=found[0])

    async def _figures(self, entries: Iterable[SessionEntry]) -> dict[str, tuple[int, int]]:
        ids = [entry.id for entry in entries][:MAX_FIGURES]
        outcome = await self._ask({"ask": "figures", "ids": ids})
        found: dict[str, tuple[int, int]] = {}
        for answer in outcome.answers:
            for session_id, figures in dict(answer.get("figures", {})).items():
                found[str(session_id)] = (_count(figures[0]), _count(figures[1]))
        return found

    async def _ask(self, question: Fields, owners: Collection[str] | None = None) -> _Outcome:
        """Ask the cores that are there, or some of them; raises _RefusedError for what one of them refuses."""
        fleet = await read_fleet(self._store)
        whom = {*fleet.cores, self._store.owner} if owners is None else set(owners)
        if self._store.status.is_away:
            whom &= {self._store.owner}
        gathered = await self._asks.ask(question, whom)
        for owner, answer in gathered.by_owner.items():
            if "error" in answer:
                raise _RefusedError(
                    grpc.StatusCode.FAILED_PRECONDITION, f"{self._label(owner, fleet)}: {str(answer['error'])[:500]}"
                )
        missing = tuple(sorted(self._label(owner, fleet) for owner in gathered.missing))
        return _Outcome(tuple(gathered.by_owner.values()), missing, self._alone())

    def _check_complete(self, outcome: _Outcome, done: str) -> None:
        if outcome.missing:
            who = ", ".join(outcome.missing)
            raise _RefusedError(
                grpc.StatusCode.ABORTED, f"{who} did not answer within {ANSWER_SECONDS:g} s; at the others {done}"
            )

    def _label(self, owner: str, fleet: FleetState) -> str:
        core = fleet.cores.get(owner)
        if core is None:
            return self._name if owner == self._store.owner else f"a core ({owner})"
        return core.name if core.workers == 1 else f"{core.name} (worker {core.worker})"

    def _alone(self) -> str:
        """Return why other cores cannot be asked; empty where they can."""
        status = self._store.status
        return f"other cores cannot be asked, for the store is away: {status.problem}" if status.is_away else ""

    def _untold(self) -> str:
        """Return why other cores do not hear of something now; empty where they do."""
        status = self._store.status
        return f"the store is away, so other cores hear of it later: {status.problem}" if status.is_away else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else 0


def _check_limit(limit: int) -> None:
    if limit > MAX_LIMIT:
        raise MisuseError(f"a limit of {limit}: at most {MAX_LIMIT} are possible, and 0 is none")


def _ban_kind(kind: admin_pb2.BanKind) -> BanKind:
    found = say.BAN_KINDS.get(kind)
    if found is None:
        raise MisuseError("say what to ban by: address, account, hardware or character")
    return found


def _described(which: Selection) -> str:
    said = {name: value for name, value in asdict(which).items() if value}
    if list(said) == ["id"]:
        return which.id
    return "with " + ", ".join(f"{name} {value}" for name, value in said.items())


def _not_found(text: str, problem: str) -> _RefusedError:
    return _RefusedError(grpc.StatusCode.NOT_FOUND, f"{text}; {problem}" if problem else text)


def _unknown(role: str, name: str, known: Iterable[str], problem: str) -> _RefusedError:
    names = sorted(set(known))
    there = f"known are: {', '.join(names[:20])}" if names else "there is none"
    return _not_found(f"there is no {role} {name[:256]}; {there}", problem)


async def _abort(context: _Context, error: _RefusedError | MisuseError) -> NoReturn:
    code = error.code if isinstance(error, _RefusedError) else grpc.StatusCode.INVALID_ARGUMENT
    await context.abort(code, str(error))
    raise AssertionError("an aborted call goes on")
