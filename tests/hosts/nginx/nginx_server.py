"""A throwaway nginx with the module, and a log that tells who served what."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile

import prometheus
import sanitizer
from testbed import BUILD, clean_up_at_exit, free_port, no_longer_clean_up, wait_for

MODULE = os.path.join(BUILD, "nginx", "ngx_http_read_policy_module.so")
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

CONFIGURATION = """
load_module {module};
{user}
worker_processes {workers};
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 1024; }}
http {{
    {temporary}
    log_format told '$request|$status|$read_policy_verdict|$read_policy_served_by|$read_policy_failed_during|$pid';
    access_log access.log told;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
{http}
}}
"""


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def version():
    """The numbers of nginx's version."""
    said = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(number) for number in re.search(r"nginx/([\d.]+)", said)[1].split("."))


class Nginx:
    """`http` is the http block's body, `files` what stands beside nginx.conf, by name."""

    def __init__(self, http_block, files, workers=2):
        self.directory = tempfile.mkdtemp(prefix="nginx-host-")
        self.port = free_port()
        self._workers = workers
        self._environment = {**os.environ, **sanitizer.environment_for(MODULE)}
        self._process = None
        self.configure(http_block, files)
        clean_up_at_exit(self.stop)

    def configure(self, http_block, files):
        temporary = "\n".join(f"    {kind}_temp_path {kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        self.write("nginx.conf", CONFIGURATION.format(
            module=MODULE, workers=self._workers, user="user root;" if os.getuid() == 0 else "", temporary=temporary,
            http=http_block.replace("PORT", f"127.0.0.1:{self.port}")
                           .replace("DIRECTORY", self.directory)))
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _command(self, *arguments):
        return [NGINX, "-p", self.directory, "-c", "nginx.conf", "-e", "error.log", *arguments]

    def check(self):
        """What `nginx -t` says, and its exit status."""
        done = subprocess.run(self._command("-t"), capture_output=True, text=True, check=False,
                              env=self._environment)
        return done.stderr, done.returncode

    def start(self):
        text, status = self.check()
        assert status == 0, text
        self._process = subprocess.Popen(self._command("-g", "daemon off;"), start_new_session=True,
                                         env=self._environment)
        wait_for(self._is_up, "nginx to listen")
        return self

    def _is_up(self):
        assert self._process.poll() is None, self.log()
        try:
            self.get("/")
            return True
        except OSError:
            return False

    def reload(self):
        """With what the files say now; returns once none but new workers take connections, or the
        reload was refused."""
        before = len(self.log())
        self._process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log().count("gracefully shutting down", before) == self._workers or
                 "[emerg]" in self.log()[before:], "the reload")

    def workers(self):
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children",
                  encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        no_longer_clean_up(self.stop)
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path, method="GET", body=None, headers=(), connection=None):
        own = connection or self.connect()
        try:
            own.request(method, path, body, dict(headers))
            return Answer(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def metrics(self):
        return prometheus.parse(self.get("/metrics").body.decode())

    def read(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def log(self):
        return self.read("error.log")

    def told(self, path):
        """The log's last line about that path: status, verdict, served by, failed during, worker."""
        def lines():
            return re.findall(rf"^\w+ {re.escape(path)} HTTP/[\d.]+\|(.*)$", self.read("access.log"),
                              re.MULTILINE)
        wait_for(lines, f"a line about {path}")
        return lines()[-1].split("|")
