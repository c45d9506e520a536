"""Clients that keep asking while something goes wrong, and check every answer."""

import collections
import concurrent.futures
import http.client
import random
import threading
import time

from answer import Answer
from host import lookup_path
from testbed import wait_for

LONGEST_ANSWER_S = 9.0  # clients give up after 10 s
MAX_COMPLAINTS = 20


class Clients:
    """Threads with one connection each, for as long as the block lasts.

    choose: called with a random generator, returns the next ledger.Question. policies: called with the
    times at which a question was sent and answered, returns the names of the policies in force. Leaving
    the block ends the clients; `complaints` then lists everything that was wrong with any answer, and
    every request that got none.
    """

    def __init__(self, host, choose, policies, count=4, seed=1, on_workload_route=0.0):
        self._host = host
        self._choose = choose
        self._policies = policies
        self._on_workload_route = on_workload_route
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._streak = 0  # answers in a row that were neither failures nor refusals
        self.sent = 0
        self.statuses = collections.Counter()  # (status, server) to answers
        self.complaints = []
        self._threads = [threading.Thread(target=self._client, args=(random.Random(f"{seed}/{n}"),))
                         for n in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self, status, served_by=None):
        """How many answers with that status have come, from that server or any."""
        with self._lock:
            return sum(number for (one, server), number in self.statuses.items()
                       if one == status and served_by in (None, server))

    def wait_for_more(self, status, more=1, served_by=None, timeout_s=20.0):
        """Waits for `more` further answers with this status."""
        before = self.count(status, served_by)
        self._wait(lambda: self.count(status, served_by) >= before + more,
                   f"{more} more answers {status} from {served_by or 'any server'}", timeout_s)

    def wait_until_calm(self, answers=50, timeout_s=20.0):
        """Waits for that many answers in a row without a failure or a refusal."""
        with self._lock:
            self._streak = 0
        self._wait(lambda: self._streak >= answers, f"{answers} answers without a failure",
                   timeout_s)

    def _wait(self, condition, what, timeout_s):
        # If something is wrong already, waiting is pointless: the test will report it.
        try:
            wait_for(lambda: self._is_over() or condition(), what, timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; so far {dict(self.statuses)},"
                               f" complaints {self.complaints}") from None

    def _is_over(self):
        return len(self.complaints) >= MAX_COMPLAINTS

    # -- one client ----------------------------------------------------------------------------

    def _client(self, generator):
        connection = http.client.HTTPConnection("127.0.0.1", self._host.port, timeout=30)
        try:
            while not self._stop.is_set() and not self._is_over():
                self._ask(connection, generator)
        except BaseException as error:  # a defect of the test itself must not look like silence
            self._complain(f"a client ended: {error!r}")
            raise
        finally:
            connection.close()

    def _headers(self, generator):
        auth = self._host.settings["auth"]
        if generator.random() < self._on_workload_route:
            return "/api/v1/workload-actions", {
                "x-trigger-workload-deployment-id": auth["deployment_id"]}
        return "/engine/v1/worker-actions", {"authorization": "Bearer " + auth["token"]}

    def _ask(self, connection, generator):
        question = self._choose(generator)
        route, headers = self._headers(generator)
        headers.update(question.headers)
        begun = time.monotonic()
        with self._lock:
            self.sent += 1
        try:
            connection.request("GET", lookup_path(question.run.id, question.since, route),
                               headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._complain(f"{question}: no whole answer: {error!r}")
            connection.close()  # the next request opens a new one
            return
        ended = time.monotonic()
        names = {name.lower(): value for name, value in response.getheaders()}
        self._judge(question, Answer(response.status, names, body), begun, ended)

    def _judge(self, question, answer, begun, ended):
        complaint = question.complaint(answer, self._policies(begun, ended))
        if complaint is None and ended - begun > LONGEST_ANSWER_S:
            complaint = f"{question}: answered after {ended - begun:.1f} s; {answer}"
        with self._lock:
            self.statuses[answer.status, answer.served_by] += 1
            self._streak = self._streak + 1 if answer.status in (200, 404) else 0
        if complaint:
            self._complain(complaint)

    def _complain(self, text):
        with self._lock:
            self.complaints.append(text)


class Asking:
    """Threads that call `ask` again and again, for as long as the block lasts. What it raises ends its
    thread, and is raised where the block ends."""

    def __init__(self, ask, count=1):
        self._ask = ask
        self._stop = threading.Event()
        self._asked = [0] * count
        self._pool = concurrent.futures.ThreadPoolExecutor(count)
        self._threads = []

    def __enter__(self):
        self._threads = [self._pool.submit(self._keep_asking, number)
                         for number in range(len(self._asked))]
        return self

    def __exit__(self, *_exception):
        self._stop.set()
        self._pool.shutdown()
        for thread in self._threads:
            thread.result()

    def wait_for_more(self):
        """Until each thread has asked, from beginning to end, since now: the first to end had begun."""
        before = list(self._asked)
        wait_for(lambda: any(thread.done() for thread in self._threads) or all(
            now >= then + 2 for now, then in zip(self._asked, before)), "every thread to have asked")

    def _keep_asking(self, number):
        while not self._stop.is_set():
            self._ask()
            self._asked[number] += 1
