# SPDX-License-Identifier: Apache-2.0
"""Asking the daemon over its socket by one connection: what the API costs without a process."""
import http.client
import socket


class Client(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, route, body=None, kind="application/json"):
        self.request(method, route, body, {"Content-Type": kind} if body is not None else {})
        answer = self.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {route}: {answer.status}: {text.decode()}")
        return text

    def get(self, route):
        return self.ask("GET", route)

    def post(self, route, body):
        return self.ask("POST", route, body)

    def upload(self, route, body):
        return self.ask("POST", route, body, "application/octet-stream")
