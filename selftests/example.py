#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A client and a server of rust_tcpfsm over loopback: ordinary sockets, but for the protocol's number."""
import socket
import sys
import threading

IPPROTO_RTCPFSM = 253
protocol = int(sys.argv[1]) if len(sys.argv) > 1 else IPPROTO_RTCPFSM


def new():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)


def echo(listener):
    conn, _ = listener.accept()
    with conn:
        while data := conn.recv(4096):
            conn.sendall(data)


with new() as listener, new() as client:
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = threading.Thread(target=echo, args=(listener,))
    server.start()
    client.connect(listener.getsockname())
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    while data := client.recv(4096):
        print("echoed:", data.decode())
    server.join()
