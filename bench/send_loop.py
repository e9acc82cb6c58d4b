"""send_loop.c in Python, for machines without a C compiler: the same arguments and output."""

import os
import socket
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: stream.open\ndata: {}\n\n"


def main() -> None:
    sockets, per_round, rounds, size = (int(sys.argv[i]) for i in (1, 2, 4, 5))
    rate = float(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("port", listener.getsockname()[1], flush=True)
    before = time.process_time()
    connections = [accepted(listener) for _ in range(sockets)]
    print("opened", time.process_time() - before, resident_kib(), flush=True)
    if not sys.stdin.readline():
        return
    descriptors = [connection.fileno() for connection in connections]
    before, start = time.process_time(), time.monotonic()
    position = sent = short = 0
    for turn in range(rounds):
        time.sleep(max(0.0, start + turn / rate - time.monotonic()))
        frame = b"data: sent_at=%d " % time.monotonic_ns()
        frame += b"x" * (size - len(frame) - 2) + b"\n\n"
        for _ in range(per_round):
            try:
                whole = os.write(descriptors[position], frame) == size
            except BlockingIOError:
                whole = False
            sent, short = sent + whole, short + (not whole)
            position = (position + 1) % sockets
    print("sent", sent, time.process_time() - before, short, flush=True)
    sys.stdin.read()


def accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.send(HEAD)
    connection.setblocking(False)
    return connection


def resident_kib() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


if __name__ == "__main__":
    main()
