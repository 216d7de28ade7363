# SPDX-License-Identifier: Apache-2.0
"""Servers that everybody runs, in namespaces, with configurations of their own: none of them is a
service of the machine."""
import contextlib
import hashlib
import os
import pathlib
import subprocess
import tempfile

from harness.wait import SLOWNESS, wait_for

WEB, SSH, DNS, FTP, IPERF = 80, 22, 53, 21, 5201
BIG_BYTES, SLOW_BYTES = 20_000_000, 15_000_000
SMALL = "a small page\n"
LONG_NAME = "long.test"             # whose TXT record is longer than a packet
LONG_TEXT = [f"{number:03}" + "t" * 240 for number in range(14)]
ADDRESS_OF = {4: "192.0.2.80", 6: "2001:db8::80"}       # what www.test has

NGINX = """daemon off; user root; worker_processes 1; pid {home}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000; root {home}/www;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen [::]:80 ipv6only=off backlog=4096;
    location /slow {{ limit_rate 3m; }}
  }}
}}
"""
SSHD = """Port 22
HostKey {home}/host_key
AuthorizedKeysFile {home}/user_key.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp internal-sftp
LogLevel ERROR
"""


@contextlib.contextmanager
def running(namespace, *words, **options):
    """A program in a namespace, killed at the end if it has not ended by then."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
               "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(namespace.command(*words), **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5 * SLOWNESS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(namespace, *ports):
    """Asked of the kernel: a connection to find out would be one more to serve."""
    rows = namespace.run("ss", "-Hltn").stdout.splitlines()
    found = {int(row.split()[3].rpartition(":")[2]) for row in rows}
    return found.issuperset(ports)


class Home:
    """Files, keys and configurations of all servers: one folder, gone at the end."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-programs-")
        self.path = pathlib.Path(self.folder.name)
        self.path.chmod(0o755)
        www = self.path / "www"
        www.mkdir()
        self.hashes = {}
        for name, size in (("big", BIG_BYTES), ("slow", SLOW_BYTES)):
            content = os.urandom(size)
            self.hashes[name] = hashlib.sha256(content).hexdigest()
            (www / name).write_bytes(content)
        (www / "small").write_text(SMALL)
        for name, text in (("nginx.conf", NGINX), ("sshd.conf", SSHD)):
            (self.path / name).write_text(text.format(home=self.path))
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path / key],
                           check=True)
        # sshd changes into it, and only its service would make it.
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def servers(self):
        """Port -> command, but for FTP's."""
        return {
            WEB: ["nginx", "-e", "stderr", "-c", self.path / "nginx.conf"],
            SSH: ["/usr/sbin/sshd", "-D", "-f", self.path / "sshd.conf"],
            IPERF: ["iperf3", "-s"],
            DNS: ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                  "--no-hosts", "--user=root", "--pid-file=", "--edns-packet-max=4096",
                  *(f"--host-record=www.test,{address}" for address in ADDRESS_OF.values()),
                  f"--txt-record={LONG_NAME},{','.join(LONG_TEXT)}"],
        }

    @contextlib.contextmanager
    def serving(self, namespace, *ports):
        """The servers of these ports, and all are there."""
        with contextlib.ExitStack() as stack:
            for port in ports:
                log = stack.enter_context(open(self.path / f"{namespace.name}-{port}.log", "wb"))
                stack.enter_context(running(namespace, *self.servers()[port], stderr=log))
            wait_for(lambda: listens(namespace, *ports), f"servers at {ports}: {self.logs()}")
            yield

    def logs(self):
        return {path.name: path.read_text()[-500:] for path in self.path.glob("*.log")}

    @contextlib.contextmanager
    def serving_ftp(self, namespace):
        with running(namespace, "/usr/bin/python3", "-m", "pyftpdlib", "-i", "::", "-p", FTP,
                     "-d", self.path / "www"):
            wait_for(lambda: listens(namespace, FTP), "the FTP server")
            yield

    def ssh(self, address, *words, program="ssh"):
        """The command line of a client that knows the server's key and asks nobody."""
        known = self.path / "known_hosts"
        kind, key, *_ = (self.path / "host_key.pub").read_text().split()
        known.write_text(f"weir-test {kind} {key}\n")
        port = ["-P" if program == "scp" else "-p", SSH]
        return [program, "-F", "none", *port, "-i", self.path / "user_key",
                "-o", f"UserKnownHostsFile={known}", "-o", "HostKeyAlias=weir-test",
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
                *([address] if program == "ssh" else []), *words]


def url(address, path):
    return f"http://[{address}]/{path}" if ":" in address else f"http://{address}/{path}"
