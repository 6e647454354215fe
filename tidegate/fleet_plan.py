"""How many machines a number of players needs, region by region. Pure; called by the command ``plan``.

`tidegate.capacity` says what one machine carries. Here it becomes machines with spare ones, traffic that is paid for,
and what is assumed; `tidegate.fleet_plan_files` writes it down for Terraform.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from tidegate.capacity import (
    CPU_US_PER_PACKET,
    FEATURES_RECORD,
    HEADER_BYTES,
    MEMORY_RECORD,
    RELAY_SHARE,
    SECONDS_PER_MONTH,
    Capacity,
    Machine,
    Traffic,
    measure_capacity,
)
from tidegate.errors import StartError

AWS_REGIONS = (
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
"""Where edges may stand: what infra/terraform/versions.tf has a provider for."""

MAX_PLAYERS = 1_000_000
MAX_CORES = 8
"""An edge knows at most so many."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Who is expected: players at the peak by AWS region, the game, and how full machines may be."""

    players: Mapping[str, int]
    game: str
    traffic: Traffic
    busy: float = 0.5
    mean: float = 0.5
    spare: int = 1


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """The edges of one region: ``needed`` carry the peak, ``spare`` more may be lost; ``egress_bytes`` is a month's."""

    name: str
    aws_region: str
    players: int
    needed: int
    spare: int
    least: int
    egress_bytes: float

    @property
    def most(self) -> int:
        """Return how many there may be at once."""
        return self.needed + self.spare


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Machines of the whole fleet; ``core_egress_bytes`` leave the cores for the edges in a month."""

    demand: Demand
    machine: Machine
    capacity: Capacity
    regions: tuple[RegionPlan, ...]
    cores: int
    core_egress_bytes: float
    assumptions: tuple[str, ...]

    @property
    def players(self) -> int:
        """Return how many players there are at the peak."""
        return sum(each.players for each in self.regions)


def read_regions(text: str, players: int | None) -> dict[str, int]:
    """Read ``eu-central-1=2000,us-east-1=1000``, or names alone, which share ``players`` evenly.

    Raises StartError with what would be right.
    """
    found: dict[str, int | None] = {}
    for part in (each.strip() for each in text.split(",")):
        name, equals, count = (each.strip() for each in part.partition("="))
        if name not in AWS_REGIONS:
            raise StartError(f"--regions: {part!r} names no AWS region that edges can stand in, such as eu-central-1")
        if name in found:
            raise StartError(f"--regions: {name} is there twice; write each region once")
        found[name] = _read_players(part, count) if equals else None
    if None in found.values():
        return _share(list(found), [each for each in found.values() if each is not None], players)
    known = {name: count for name, count in found.items() if count is not None}
    if players is not None and sum(known.values()) != players:
        raise StartError(f"--players is {players}, and the regions have {sum(known.values())}; leave --players out")
    return known


def make_plan(demand: Demand, machine: Machine) -> FleetPlan:
    """Return the machines that this demand needs; raises StartError where this kind of machine is too small."""
    capacity = measure_capacity(machine, demand.traffic, demand.busy)
    regions = tuple(_plan_region(demand, capacity, *each) for each in demand.players.items())
    # One more than carry the peak: the players of a core that is lost need a place.
    cores = ceil(sum(demand.players.values()) / capacity.sessions) + demand.spare
    if cores + 1 > MAX_CORES:  # one more while another is replaced
        raise StartError(
            f"{cores} cores of {machine.name} are needed, and one more while another is replaced; an edge knows at "
            f"most {MAX_CORES}: take a larger --instance-type"
        )
    core_egress = (
        sum(demand.players.values())
        * _monthly(demand, demand.traffic.frames_down_per_second)
        * (demand.traffic.frame_down_bytes)
    )
    return FleetPlan(demand, machine, capacity, regions, cores, core_egress, _assumptions(demand, machine, capacity))


def _plan_region(demand: Demand, capacity: Capacity, aws_region: str, players: int) -> RegionPlan:
    needed = ceil(players / capacity.sessions)
    least = max(1, ceil(needed * demand.mean))
    frame_bytes = demand.traffic.frame_down_bytes + HEADER_BYTES
    egress = players * _monthly(demand, demand.traffic.frames_down_per_second) * frame_bytes
    name = re.sub(r"[^a-z0-9]", "", aws_region)
    return RegionPlan(name, aws_region, players, needed, demand.spare, least, egress)


def _monthly(demand: Demand, frames_per_second: float) -> float:
    """Return how many frames one player of the peak stands for in a month."""
    return demand.mean * SECONDS_PER_MONTH * frames_per_second


def _assumptions(demand: Demand, machine: Machine, capacity: Capacity) -> tuple[str, ...]:
    traffic = demand.traffic
    costs = " and ".join(f"{cost:.0f} µs at {rate:.0f} packets/s" for rate, cost in CPU_US_PER_PACKET)
    return (
        f"a player of {demand.game} sends {traffic.frames_up_per_second:g} frames/s of {traffic.frame_up_bytes:g} "
        f"bytes and gets {traffic.frames_down_per_second:g} of {traffic.frame_down_bytes:g}",
        f"a packet there and back costs both relays {costs}, with all features ({FEATURES_RECORD}); one relay has at "
        f"most {RELAY_SHARE:.0%} of it",
        f"memory of a session as in {MEMORY_RECORD}, and 16 KiB more for one that plays",
        f"{machine.name} runs {capacity.workers} of {machine.processors} processors as workers, at most "
        f"{demand.busy:.0%} busy, as fast as the processor of the record",
        f"on average {demand.mean:.0%} of the peak play; headers are counted for every frame to a player",
        f"{demand.spare} more than needed in each region and of the cores, for one that is lost",
        "TLS between edge and core is not in the figures of the record",
    )


def _read_players(part: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_PLAYERS:
        raise StartError(f"--regions: {part!r}: write 1 to {MAX_PLAYERS} players, such as eu-central-1=2000")
    return int(text)


def _share(names: list[str], counts: list[int], players: int | None) -> dict[str, int]:
    if counts:
        raise StartError("--regions: some regions have players and some have none; write all of them, or none")
    if players is None:
        raise StartError("how many players? write --players 3000, or --regions eu-central-1=2000,us-east-1=1000")
    if players < len(names):
        raise StartError(f"--players: {players} are fewer than the {len(names)} regions")
    share, rest = divmod(players, len(names))
    return {name: share + (index < rest) for index, name in enumerate(names)}
