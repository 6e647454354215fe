"""Headers, packet rules and triggers on the wire: the parts of a rule set, and back.

Called by `tunnel.rules_codec`. Raises LayoutError as the values themselves do, and TunnelFault for the rest.
"""

from collections.abc import Sequence

from protos.tidegate.policy.v1 import rules_pb2
from tunnel.rules_codec_numbers import (
    read_action,
    read_mode,
    read_place,
    read_range,
    write_action,
    write_mode,
    write_place,
    write_range,
)
from tunnel.rules_codec_steps import ClassTable, decode_layout, encode_layout
from wire.errors import TunnelFault
from wire.rules import FrameHeader, PacketRule, Selector, Trigger

MAX_SHOWN_CHARACTERS = 64
"""How much of a rule's name stands before what is wrong with it: names are checked after their layouts are read."""


def encode_header(header: FrameHeader) -> rules_pb2.FrameHeader:
    """Return a header as its message."""
    return rules_pb2.FrameHeader(
        opcode_offset_bytes=header.opcode_offset_bytes,
        opcode_width_bytes=header.opcode_width_bytes,
        body_offset_bytes=header.body_offset_bytes,
        little_endian=header.little_endian,
        session_word_offset_bytes=write_place(header.session_word_offset_bytes),
        ordinary_session_word=header.ordinary_session_word,
        counter_offset_bytes=write_place(header.counter_offset_bytes),
        trailer=header.trailer,
    )


def decode_header(message: rules_pb2.FrameHeader) -> FrameHeader:
    """Read a header."""
    return FrameHeader(
        opcode_offset_bytes=message.opcode_offset_bytes,
        opcode_width_bytes=message.opcode_width_bytes,
        body_offset_bytes=message.body_offset_bytes,
        little_endian=message.little_endian,
        session_word_offset_bytes=read_place(message, "session_word_offset_bytes"),
        ordinary_session_word=message.ordinary_session_word,
        counter_offset_bytes=read_place(message, "counter_offset_bytes"),
        trailer=message.trailer,
    )


def encode_rule(rule: PacketRule, classes: ClassTable) -> rules_pb2.PacketRule:
    """Return one packet's rule as its message."""
    return rules_pb2.PacketRule(
        name=rule.name,
        opcode=rule.opcode,
        selector=None if rule.selector is None else _encode_selector(rule.selector),
        states=rule.states,
        needs=rule.needs,
        forbids=rule.forbids,
        next_state=write_place(rule.next_state),
        sets=rule.sets,
        clears=rule.clears,
        session_words=write_range(rule.session_words),
        min_body_bytes=rule.min_body_bytes,
        max_body_bytes=rule.max_body_bytes,
        layouts=[encode_layout(steps, classes) for steps in rule.layouts],
        bucket=write_place(rule.bucket),
        cost_units=rule.cost,
        mode=write_mode(rule.mode),
        action=write_action(rule.action),
        rate_action=write_action(rule.rate_action),
        answer=rule.answer,
    )


def decode_rule(message: rules_pb2.PacketRule, classes: Sequence[bytes]) -> PacketRule:
    """Read one packet's rule."""
    try:
        layouts = tuple(decode_layout(layout, classes) for layout in message.layouts)
    except TunnelFault as fault:
        raise TunnelFault(f"{message.name[:MAX_SHOWN_CHARACTERS]}: {fault}") from fault
    return PacketRule(
        name=message.name,
        opcode=message.opcode,
        selector=_decode_selector(message.selector) if message.HasField("selector") else None,
        states=message.states,
        needs=message.needs,
        forbids=message.forbids,
        next_state=read_place(message, "next_state"),
        sets=message.sets,
        clears=message.clears,
        session_words=read_range(message, "session_words"),
        min_body_bytes=message.min_body_bytes,
        max_body_bytes=message.max_body_bytes,
        layouts=layouts,
        bucket=read_place(message, "bucket"),
        cost=message.cost_units,
        mode=read_mode(message.mode),
        action=read_action(message.action) if message.action else None,
        rate_action=read_action(message.rate_action) if message.rate_action else None,
        answer=message.answer,
    )


def encode_trigger(trigger: Trigger) -> rules_pb2.Trigger:
    """Return a trigger as its message."""
    return rules_pb2.Trigger(
        name=trigger.name,
        opcode=trigger.opcode,
        value_offset_bytes=trigger.value_offset_bytes,
        value_width_bytes=trigger.value_width_bytes,
        value_low=trigger.value_low,
        value_high=trigger.value_high,
        next_state=write_place(trigger.next_state),
        sets=trigger.sets,
        clears=trigger.clears,
        memory=write_place(trigger.memory),
        memory_bytes=trigger.memory_bytes,
    )


def decode_trigger(message: rules_pb2.Trigger) -> Trigger:
    """Read a trigger."""
    return Trigger(
        name=message.name,
        opcode=message.opcode,
        value_offset_bytes=message.value_offset_bytes,
        value_width_bytes=message.value_width_bytes,
        value_low=message.value_low,
        value_high=message.value_high,
        next_state=read_place(message, "next_state"),
        sets=message.sets,
        clears=message.clears,
        memory=read_place(message, "memory"),
        memory_bytes=message.memory_bytes,
    )


def _encode_selector(selector: Selector) -> rules_pb2.Selector:
    return rules_pb2.Selector(
        offset_bytes=selector.offset_bytes, width_bytes=selector.width_bytes, value=selector.value
    )


def _decode_selector(message: rules_pb2.Selector) -> Selector:
    return Selector(offset_bytes=message.offset_bytes, width_bytes=message.width_bytes, value=message.value)
