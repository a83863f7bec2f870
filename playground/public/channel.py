"""Which messages pass between a visitor's browser and the kernel; all others end in the server.

To the kernel: the questions of the page's own widget, and what the front end needs to find that
widget. Nothing that executes, inspects, completes, debugs or shuts down; no other comm target;
no buffers, no long messages, not too many. From the kernel: what belongs to widgets, and no
output, error or traceback.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from playground.public.page import PAGE_COMM, QUESTIONS

CONTROL_TARGET = "jupyter.widget.control"
HEARTBEAT = "here"
MAX_MESSAGE_BYTES = 16_384
MAX_QUESTION_CHARS = 4_000
MAX_CONTROLS = 6
BURST, PER_SECOND = 40.0, 15.0
_OUTGOING = frozenset(
    {
        "status",
        "comm_open",
        "comm_msg",
        "comm_close",
        "comm_info_reply",
        "kernel_info_reply",
        "shutdown_reply",
    }
)
_TO_WIDGETS = {"target_name": "jupyter.widget"}


class Rules:
    """Decides about one connection's messages; no I/O, the clock is a parameter.

    `action` is when the visitor last did something (a heartbeat is no action).
    """

    def __init__(self, now: float) -> None:
        self.action = now
        self._credit = BURST
        self._counted = now
        self._controls: set[str] = set()

    def decide(self, channel: str, kind: str, content: Any, buffers: int, now: float) -> bool:
        """Whether a message goes on to the kernel."""
        if not self._in_pace(now) or channel not in {"shell", "control"}:
            return False
        if kind == "kernel_info_request":
            return True
        if not isinstance(content, Mapping) or buffers:
            return False
        if kind == "comm_info_request":
            return dict(content) in ({}, _TO_WIDGETS, {"target_name": None})
        comm = content.get("comm_id")
        if channel != "shell" or not isinstance(comm, str) or len(comm) > 100:
            return False
        if kind == "comm_open":
            return self._open(comm, content)
        if kind == "comm_close":
            known = comm in self._controls
            self._controls.discard(comm)
            return known
        return kind == "comm_msg" and self._message(comm, content.get("data"), now)

    def _open(self, comm: str, content: Mapping[str, Any]) -> bool:
        wanted = content.get("target_name") == CONTROL_TARGET and not content.get("target_module")
        if not wanted or content.get("data") or comm == PAGE_COMM:
            return False
        if len(self._controls) >= MAX_CONTROLS:
            return False
        self._controls.add(comm)
        return True

    def _message(self, comm: str, data: Any, now: float) -> bool:
        if not isinstance(data, dict):
            return False
        if comm in self._controls:
            return data == {"method": "request_states"}
        if comm != PAGE_COMM or set(data) != {"method", "content"} or data["method"] != "custom":
            return False
        question = data["content"]
        if not isinstance(question, dict) or question.get("do") not in QUESTIONS:
            return False
        if len(json.dumps(question)) > MAX_QUESTION_CHARS:
            return False
        self.action = now
        return True

    def _in_pace(self, now: float) -> bool:
        self._credit = min(BURST, self._credit + (now - self._counted) * PER_SECOND)
        self._counted = now
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


class PublicConnection(ZMQChannelsWebsocketConnection):
    """A kernel connection for strangers: `Rules` in, widget messages out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rules = Rules(time.monotonic())

    def connect(self) -> Any:
        """Connect, and tell the kernel's manager that somebody is there."""
        self.multi_kernel_manager.visitor_came(self.kernel_id)
        return super().connect()

    def disconnect(self) -> Any:
        """Disconnect, and tell the kernel's manager."""
        self.multi_kernel_manager.visitor_left(self.kernel_id)
        return super().disconnect()  # type: ignore[no-untyped-call]

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Pass a visitor's message on, or drop it without a word."""
        now = time.monotonic()
        self.multi_kernel_manager.visitor_spoke(self.kernel_id, now)
        if len(incoming_msg) > MAX_MESSAGE_BYTES:
            return
        try:
            channel, kind, content, buffers = self._read(incoming_msg)
        except Exception:  # whatever a stranger sends: it is no message
            return
        if self.rules.decide(channel, kind, content, buffers, now):
            self.multi_kernel_manager.visitor_acted(self.kernel_id, self.rules.action)
            super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]

    def _read(self, message: str | bytes) -> tuple[str, str, Any, int]:
        """Channel, type, content and number of buffers, in each of the protocols."""
        if self.subprotocol == "v1.kernel.websocket.jupyter.org":
            channel, parts = deserialize_msg_from_ws_v1(message)  # type: ignore[no-untyped-call]
            header = json.loads(bytes(parts[0]))
            return (
                str(channel),
                str(header["msg_type"]),
                json.loads(bytes(parts[3])),
                len(parts) - 4,
            )
        if isinstance(message, bytes):
            read = deserialize_binary_message(message)  # type: ignore[no-untyped-call]
        else:
            read = json.loads(message)
        buffers = len(read.get("buffers") or ())
        return str(read["channel"]), str(read["header"]["msg_type"]), read["content"], buffers

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass what belongs to widgets on to the visitor; outputs and errors stay here."""
        _, parts = self.session.feed_identities(outgoing_msg)
        header = self.session.unpack(parts[1])  # the first part is the signature
        if header.get("msg_type") in _OUTGOING:
            super().handle_outgoing_message(stream, outgoing_msg)
