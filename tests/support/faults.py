"""Connections that break when a test says so."""

from pauseflow.errors import ServerUnreachable
from pauseflow.store.server import Server


class Faults:
    """Says what happens to each batch of commands that is sent.

    Attributes:
        plan: what to do with the next batches, the first first: "" lets one through, "lost" loses
            it on its way there, "reply" loses the replies on their way back.
        match: only batches with a command that has this word in it count; empty for all.
        sent: every batch that was let through, for a test to look at.
    """

    def __init__(self, plan=(), match=b""):
        self.plan = list(plan)
        self.match = match
        self.happened = []

    def next(self, commands):
        words = [word for command in commands for word in command]
        if not self.plan or (self.match and self.match not in words):
            return ""
        fault = self.plan.pop(0)
        if fault:
            self.happened.append(fault)
        return fault


class ShakyServer(Server):
    """A server whose connections break as `faults` says.

    Args:
        server: the server behind it.
        faults: when.
    """

    def __init__(self, server, faults):
        super().__init__(server._pool, server.address)
        self.faults = faults

    def wire(self, timeout=10.0):
        return shaky(super().wire(timeout), self.faults)


def shaky(wire, faults):
    """The wire, breaking as told. Only what is sent by `send` counts: all calls go through it."""
    send, receive = wire.send, wire.receive
    replies_lost = []

    def broken_send(commands):
        fault = faults.next(commands)
        if fault == "lost":
            wire.close()
            raise ServerUnreachable("the connection broke on the way there")
        send(commands)
        if fault == "reply":
            replies_lost.append(True)

    def broken_receive():
        replies = receive()
        if replies_lost:
            replies_lost.clear()
            wire.close()
            raise ServerUnreachable("the connection broke on the way back")
        return replies

    wire.send, wire.receive = broken_send, broken_receive
    return wire
