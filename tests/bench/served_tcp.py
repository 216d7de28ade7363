# SPDX-License-Identifier: Apache-2.0
"""Real connections through a gateway to two web servers: what each way of sharing them out costs.
Each way has client, gateway and servers of its own, in namespaces, so that they can take turns."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile

from harness.daemon import Daemon
from harness.ipvs import end
from harness.net import Namespace
from harness.programs import listens, running
from harness.wait import wait_for

CLIENT, VIP = "10.79.1.2", "10.79.1.100"
GATEWAY = ("10.79.1.1", "10.79.2.1")
SERVERS = ("10.79.2.10", "10.79.2.11")
WEB, SERVER_WEB, STREAM = 80, 8080, 5201
NGINX = """daemon off; worker_processes 1; user root; pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder};
 proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
 scgi_temp_path {folder};
 server {{ {listens} location / {{ return 200 "ok\\n"; }} }} }}
"""
DNAT = """table ip bench {{
 chain pre {{ type nat hook prerouting priority dstnat;
  ip daddr {vip} tcp dport 80 \\
   dnat to numgen inc mod 2 map {{ 0 : {servers[0]}, 1 : {servers[1]} }}:8080;
  ip daddr {vip} tcp dport 5201 dnat to {servers[0]}:5201;
 }}
}}
"""
HAPROXY = """global
 maxconn 4000
defaults
 mode tcp
 timeout connect 5s
 timeout client 60s
 timeout server 60s
listen web
 bind {vip}:80
 server a {servers[0]}:8080
 server b {servers[1]}:8080
listen stream
 bind {vip}:5201
 server a {servers[0]}:5201
"""
WEIR = """api: {{listen: off}}
interfaces: [{{name: lan, hook: {hook}}}, {{name: wan, hook: {hook}}}]
balance:
  shortcut: {shortcut}
  services:
  - {{name: web, address: {vip}, port: 80, backends: [{{address: {servers[0]}, port: 8080}},
      {{address: {servers[1]}, port: 8080}}]}}
  - {{name: stream, address: {vip}, port: 5201, backends: [{{address: {servers[0]}}}]}}
"""


def thread_ns(pid):
    """Processor time of all its threads so far."""
    return sum(int(path.read_text().split()[0])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def softirq_pids():
    return [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/comm")
            if path.read_text().startswith("ksoftirqd/")]


class TcpLane:
    """Plain routing: the client speaks to a server itself."""
    address, port = SERVERS[0], SERVER_WEB

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.pids, self.folder = [], self.stack.enter_context(tempfile.TemporaryDirectory(
            prefix="weir-bench-"))
        try:
            for name in ("client", "gateway", "servers"):
                setattr(self, name, Namespace("bench"))
                self.stack.callback(getattr(self, name).delete)
            self.wire()
            self.serve()
            self.load()
        except BaseException:
            self.close()
            raise

    def wire(self):
        """Veths as they are made: segments that the sender leaves whole, checksums too."""
        ends = (("eth0", self.client, "lan", (CLIENT,)), ("eth0", self.servers, "wan", SERVERS))
        for (far, place, near, addresses), gateway in zip(ends, GATEWAY):
            self.gateway.run("ip", "link", "add", near, "type", "veth", "peer", "name", far,
                             "netns", place.name)
            for owner, name, own in ((place, far, addresses), (self.gateway, near, (gateway,))):
                for address in own:
                    owner.run("ip", "addr", "add", f"{address}/24", "dev", name)
                owner.run("ip", "link", "set", name, "up")
            place.run("ip", "route", "add", "default", "via", gateway)
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.gateway.run("ip", "addr", "add", f"{VIP}/32", "dev", "lan")
        self.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535",
                        "net.ipv4.tcp_tw_reuse=1")
        self.servers.run("sysctl", "-qw", "net.core.somaxconn=4096")

    def start(self, place, *words, port):
        process = self.stack.enter_context(running(place, *words))
        wait_for(lambda: listens(place, port), f"{words[0]} listens", 5)
        return process.pid

    def serve(self):
        config = pathlib.Path(self.folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, listens=" ".join(
            f"listen {address}:{SERVER_WEB};" for address in SERVERS)))
        master = self.start(self.servers, "nginx", "-e", "stderr", "-c", config, port=SERVER_WEB)
        self.pids += subprocess.run(["pgrep", "-P", str(master)], capture_output=True, text=True,
                                    check=True).stdout.split()
        self.start(self.servers, "iperf3", "-s", "-p", STREAM, port=STREAM)

    def load(self):
        pass

    def web(self, seconds, *more):
        """Requests one after the other on each of 50 connections: what wrk says, and processor time
        of both ends and of what stands between."""
        watched = self.pids + softirq_pids()
        before = sum(map(thread_ns, watched))
        wrk = subprocess.Popen(self.client.command(
            "wrk", "-t1", "-c50", f"-d{seconds}s", "--latency", *more,
            f"http://{self.address}:{self.port}/"), stdout=subprocess.PIPE, text=True)
        said = wrk.stdout.read()
        _, status, used = os.wait4(wrk.pid, 0)
        wrk.returncode = status
        cpu_s = used.ru_utime + used.ru_stime + (sum(map(thread_ns, watched)) - before) / 1e9
        done = int(re.search(r"(\d+) requests in", said)[1])
        failed = re.search(r"(Socket errors|Non-2xx).*", said)
        if not done or failed:
            raise RuntimeError(f"{type(self).__name__}: {said}")
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
                "us": cpu_s / done * 1e6, "p50": milliseconds(said, 50),
                "p99": milliseconds(said, 99)}

    def connections(self, seconds):
        return self.web(seconds, "-H", "Connection: close")

    def stream_gbits(self, seconds):
        done = self.client.run("iperf3", "-J", "-c", self.address, "-p", STREAM, "-t", seconds)
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def milliseconds(said, share):
    number, unit = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)$", said, re.M).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Shared(TcpLane):
    """The client speaks to the address of all servers."""
    address, port = VIP, WEB


class Nft(Shared):
    def load(self):
        self.gateway.run("nft", "-f", "-", input=DNAT.format(vip=VIP, servers=SERVERS))


class Ipvs(Shared):
    def load(self):
        for port, ends in ((WEB, [(each, SERVER_WEB) for each in SERVERS]),
                           (STREAM, [(SERVERS[0], STREAM)])):
            self.gateway.run("ipvsadm", "-A", "-t", end(VIP, port), "-s", "rr")
            for each in ends:
                self.gateway.run("ipvsadm", "-a", "-t", end(VIP, port), "-r", end(*each), "-m")


class Haproxy(Shared):
    def load(self):
        config = pathlib.Path(self.folder) / "haproxy.cfg"
        config.write_text(HAPROXY.format(vip=VIP, servers=SERVERS))
        self.pids.append(self.start(self.gateway, "haproxy", "-db", "-f", config, port=WEB))


class Weir(Shared):
    hook, shortcut = "tc", "none"

    def load(self):
        self.daemon = Daemon(self.gateway, label="bench", config=WEIR.format(
            hook=self.hook, shortcut=self.shortcut, vip=VIP, servers=SERVERS))
        self.stack.callback(self.daemon.close)
        self.daemon.start()


class WeirTcShortcut(Weir):
    shortcut = "tc"


class WeirXdp(Weir):
    hook = "xdp"
