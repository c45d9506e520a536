"""Reads through a cluster, blocking.

The thread that calls read() sends its own statements, so a hit costs no change of threads. A thread for
each server asks the cluster's questions on a connection of its own, one more watches the clock, and one
hands out notices.
The state machine is under one lock, which is never held over I/O.
"""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Callable, Iterator, Mapping, Sequence, TypeVar, overload

from . import _abi, _sql
from ._end import Closed, End, outcome_number, outcome_of, timeout_of
from ._links import Link, Pool, Server
from ._machine import Action, ClusterInfo, Machine, ServerInfo, Settings, logger, said_by
from ._policies import Metric, PolicySet

T = TypeVar("T")


_GONE = object()
_TRY_AGAIN_S = 0.05


class _Dropped(Exception):
    """The action is not wanted any more."""


class _Pending:
    """A read that a thread waits for: what it is to do comes through the queue."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Any] = SimpleQueue()
        self.value: Any = None
        self.error: BaseException | None = None


class Cluster:
    """Servers of which one is the primary, and reads that go where the policies send them.

    Any thread may use it, all at once; it belongs to the process that opened it. Connections are made
    when they are needed, at most max_reads to each server and one that asks; they are closed with the
    cluster.
    """

    def __init__(self, policies: PolicySet, servers: Sequence[Server], *,
                 expect: Mapping[str, str] | None = None, settings: Settings = Settings()) -> None:
        self._policies = policies
        self._settings = settings
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._settled = threading.Event()
        self._notices: SimpleQueue[tuple[int, str] | None] = SimpleQueue()
        self._machine = Machine(policies, [server.name for server in servers], expect or {}, settings,
                                lambda *notice, notices=self._notices: notices.put(notice))
        self._pools = [Pool(server) for server in servers]
        self._pending: dict[int, _Pending] = {}
        self._tags = 0
        self._running: dict[int, Link | None] = {}
        self._sleeps_until = 0
        self._askers: list[SimpleQueue[Action | None]] = [SimpleQueue() for _ in servers]
        self._finalizer = weakref.finalize(self, _abandon, self._changed, self._machine, self._pools,
                                           self._askers, self._notices)
        threads = [threading.Thread(target=_watch, daemon=True, name="read-policy-clock", args=(
            weakref.ref(self), self._changed, self._machine)),
                   threading.Thread(target=_tell, daemon=True, name="read-policy-notices", args=(
            settings, self._notices))]
        threads += [threading.Thread(target=_ask, args=(weakref.ref(self), pool, questions),
                                     daemon=True, name=f"read-policy-{pool.server.name}")
                    for pool, questions in zip(self._pools, self._askers)]
        for thread in threads:
            thread.start()

    # -- for callers ---------------------------------------------------------------------------------

    @overload
    def read(self, section: str, read: Callable[[Any], T], *, outcome: Callable[[T], str] = ...,
             position: str | None = ..., timeout: float | None = ...,
             in_transaction: bool = ...) -> End[T]: ...

    @overload
    def read(self, section: str, read: Any, values: Any = ..., *,
             outcome: Callable[[Any], str] = ..., position: str | None = ...,
             timeout: float | None = ..., in_transaction: bool = ...) -> End[Any]: ...

    def read(self, section: str, read: Any, values: Any = None, *,
             outcome: Callable[[Any], str] = outcome_of, position: str | None = None,
             timeout: float | None = None, in_transaction: bool = False) -> End[Any]:
        """Reads by the section's policy; returns the End, whatever the verdict.

        read: a statement of the driver's with its values, whose rows are the value; or a function that
        takes a connection of the driver's, in a read-only transaction, and returns the value. It may
        be called several times, and must neither commit nor roll back (UsageError). outcome says what
        the value is: "found", "partial" or "missing"; by default None and what is empty are missing.
        position: an earlier End's, which this read must not be behind. timeout: in seconds.
        in_transaction: straight to the primary.

        Raises Busy, Closed, UsageError, and what `read` and `outcome` raise that is no error of the
        driver's.
        """
        self._machine.check_usable()
        timeout = timeout_of(timeout)
        policy = self._policies.policy(section)
        pending = _Pending()
        if not self._settled.is_set():
            timeout = self._wait_settled(self._settings.timeout if timeout is None else timeout)
        tag, read_id, performed, is_done = 0, None, None, False
        try:
            with self._lock:
                self._machine.check_usable()
                self._tags += 1
                tag = self._tags
                read_id = self._machine.start(policy, tag, position, timeout, in_transaction)
                self._pending[tag] = pending
                self._pump()
            job = read if callable(read) else (read, values)
            while True:
                event = pending.events.get()
                if event is None:
                    raise Closed("the cluster was closed while the read was under way")
                if event.kind == _abi.ACTION_DONE:
                    is_done = True
                    return end_of_pending(event.done, pending.value, pending.error)
                if event.kind == _abi.ACTION_READ and event.id != performed:
                    performed = event.id
                    self._perform(event, pending, job, outcome)
                elif event.kind == _abi.ACTION_READ:
                    with self._lock:
                        self._running.pop(event.id, None)
        finally:
            if not is_done:
                self._leave(tag, read_id)

    def _leave(self, tag: int, read_id: int | None) -> None:
        """Nobody waits for that read any more."""
        with self._lock:
            self._pending.pop(tag, None)
            if not self._machine.is_closed:
                if read_id is not None:
                    self._machine.forget(read_id)
                self._pump()

    def _wait_settled(self, seconds: float) -> float:
        """Until every server has been heard nothing is proven, and nobody is known to be the primary.
        Returns what is left of the time."""
        begun = time.monotonic()
        self._settled.wait(seconds)
        return seconds - (time.monotonic() - begun)

    def info(self) -> ClusterInfo:
        with self._use():
            return self._machine.info()

    def server(self, name: str) -> ServerInfo:
        with self._use():
            return self._machine.server(name)

    def server_set(self, name: str, *, expect: str = "any", state: str = "on") -> None:
        """state: "on", "drain" (no read begins there) or "off"; expect: "any", "primary", "replica"."""
        with self._use():
            self._machine.server_set(name, expect, state)
            self._pump()

    def forget_history(self) -> None:
        """After a restore, an upgrade or a split: system and timeline that are remembered are learnt anew. It is
        what notices call to reload the host."""
        with self._use():
            self._machine.forget_history()
            self._pump()

    def metrics(self) -> list[Metric]:
        """The cluster's own counters and those of its policy set."""
        with self._use():
            return self._policies.metrics() + self._machine.metrics()

    @contextmanager
    def _use(self) -> Iterator[None]:
        """With the lock, which in a forked process may be held by a thread that is not there."""
        self._machine.check_usable()
        with self._lock:
            self._machine.check_usable()
            yield

    def close(self) -> None:
        """Reads under way raise Closed; no connection that does not answer is waited for. May be called
        twice. In another process than its own it does nothing: the connections are not that one's."""
        if not self._machine.is_own_process():
            return
        with self._lock:
            if self._machine.is_closed:
                return
            self._machine.close()
            for pending in self._pending.values():
                pending.events.put(None)
            self._settled.set()
            self._changed.notify_all()
            links = [link for pool in self._pools for link in pool.drain()]
            for link in self._running.values():
                if link is not None:
                    link.abort()
            self._running.clear()
        for questions in self._askers:
            questions.put(None)
        self._notices.put(None)
        for link in links:
            link.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # -- with the lock held --------------------------------------------------------------------------

    def _pump(self) -> None:
        """Hands out all that is to be done now; what is handed out twice, since this was cut short in between,
        does no harm. Of some reads nobody waits: a signal's handler has cut their callers short before they
        were known here."""
        while (action := self._machine.next()) is not None:
            if action.kind == _abi.ACTION_ASK:
                self._running[action.id] = None
                self._askers[action.server].put(action)
            elif action.kind == _abi.ACTION_READ and action.tag not in self._pending:
                self._machine.forget(action.read_id)
            elif action.kind == _abi.ACTION_READ:
                self._running[action.id] = None
                self._pending[action.tag].events.put(action)
            elif action.kind == _abi.ACTION_DONE and action.tag in self._pending:
                self._pending[action.tag].events.put(action)
                del self._pending[action.tag]
            elif action.kind == _abi.ACTION_DROP:
                link = self._running.get(action.id)
                if link is not None:
                    link.abort()
                pending = self._pending.get(action.tag)
                if pending is not None:
                    pending.events.put(action)
                self._running.pop(action.id, None)
            elif action.kind == _abi.ACTION_REDIAL:
                for link in self._pools[action.server].drain():
                    link.abort()
            self._machine.taken()
        if self._machine.wake_ns < self._sleeps_until:
            self._changed.notify_all()
        if not self._settled.is_set() and self._machine.settled():
            self._settled.set()

    # -- a read's statements, in the caller's thread -----------------------------------------------------

    def _perform(self, action: Action, pending: _Pending, job: Any,
                 outcome: Callable[[Any], str]) -> None:
        pool = self._pools[action.server]
        link: Link | None = None
        before = after = None
        try:
            link = self._link(pool, action, pending)
            answer = link.read(action.text, job, action.limit_ns)
            before, after = answer.before, answer.after
            if action.target == _abi.TARGET_REPLICA and not answer.in_recovery:
                number = _abi.ROLE_CHANGED
            else:
                number = outcome_number(outcome(answer.value))
        except _Dropped:
            return
        except pool.server.errors as error:
            with self._lock:
                if action.id in self._running:
                    pending.error = error  # and not what the abort of one that was dropped made of it
            before = after = None
            if link is not None and not link.is_fresh and _sql.is_void(error):
                link.close()
            is_broken = link is None or not link.is_usable() or pool.server.is_disconnect(error)
            was_idle = link is not None and not link.is_fresh
            number = _sql.outcome_of_error(pool.server.sqlstate(error), is_broken, was_idle)
            if was_idle and is_broken:
                self._discard_idle(pool)
        except BaseException:
            with self._lock:
                self._running.pop(action.id, None)
            raise
        finally:
            if link is not None:
                self._give_back(pool, link, action)
        with self._lock:
            if self._machine.is_closed or action.id not in self._running:
                return
            del self._running[action.id]
            if number in (_abi.FOUND, _abi.PARTIAL):
                pending.value = answer.value
            self._machine.answer(action.id, number, before, after)
            self._pump()

    def _link(self, pool: Pool, action: Action, pending: _Pending) -> Link:
        """Raises _Dropped, or an error of the driver's."""
        with self._lock:
            if action.id not in self._running:
                raise _Dropped
            if pool.idle:
                link = self._running[action.id] = pool.idle.pop()
                link.is_fresh = False
                return link
            dials = pool.server.is_pooled and self._waits(pool, action, pending)
        if dials:
            # A server that is silent must not keep the caller for longer than the action's limit.
            try:
                threading.Thread(target=self._dial, args=(pool, action), daemon=True,
                                 name=f"read-policy-dial-{pool.server.name}").start()
            except RuntimeError as error:
                with self._lock:
                    pool.dialling -= 1
                    is_served = pool.waiting.pop(action.id, None) is None
                if not is_served:
                    raise pool.server.errors[0](f"no thread to make a connection in: {error}") from error
        link = self._dialled(action, pending) if pool.server.is_pooled else pool.server.connect()
        if not self._run_on(link, action):
            self._give_back(pool, link, action)
            raise _Dropped
        return link

    def _waits(self, pool: Pool, action: Action, pending: _Pending) -> bool:
        """With the lock: from now on it waits for a connection, and whether it makes one. Where as many are
        being made as there may be reads, some are for reads that were given up, as callers in a hurry leave
        them behind: one of those will do."""
        for given_up in [waiting for waiting in pool.waiting if waiting not in self._running]:
            del pool.waiting[given_up]
        pool.waiting[action.id] = pending
        dials = pool.dialling < self._settings.max_reads
        pool.dialling += dials
        return dials

    def _hand_on(self, pool: Pool, link: Link | BaseException) -> bool:
        """With the lock: to the read that has waited longest, if any still does."""
        while pool.waiting and not self._machine.is_closed:
            action_id = next(iter(pool.waiting))
            pending = pool.waiting.pop(action_id)
            if action_id in self._running:
                pending.events.put(link)
                return True
        return False

    @staticmethod
    def _dialled(action: Action, pending: _Pending) -> Link:
        """What it waits for, unless the action is dropped before."""
        while True:
            event = pending.events.get()
            if event is None:
                pending.events.put(None)
                raise _Dropped
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Link):
                return event
            if event.id == action.id:
                raise _Dropped

    def _run_on(self, link: Link, action: Action) -> bool:
        """From now on the link is the one to abort. False: the action is not wanted any more."""
        with self._lock:
            is_wanted = action.id in self._running
            if is_wanted:
                self._running[action.id] = link
        return is_wanted

    def _was_cut_off(self, action: Action) -> bool:
        """Of a question that came to nothing on its link."""
        with self._lock:
            if action.id in self._running:
                return False
            if not self._machine.is_closed:
                self._machine.note_cut_off(action)
            return True

    def _prompt(self, server: int) -> None:
        """A connection came up that took longer than its question might: the question is put again."""
        with self._lock:
            if not self._machine.is_closed:
                self._machine.prompt(server)
                self._pump()

    def _dial(self, pool: Pool, action: Action) -> None:
        generation = pool.generation
        result: Any
        try:
            result = pool.server.connect()
            result.generation = generation
        except BaseException as error:
            result = error
        with self._lock:
            pool.dialling -= 1
            is_taken = self._hand_on(pool, result)
        if not is_taken and not isinstance(result, BaseException):
            self._give_back(pool, result, action)

    def _give_back(self, pool: Pool, link: Link, action: Action) -> None:
        is_usable = link.is_usable()
        with self._lock:
            if self._running.get(action.id) is link:
                self._running[action.id] = None  # a DROP would abort what is another's by then
            is_kept = (is_usable and pool.server.is_pooled and link.generation == pool.generation
                       and not self._machine.is_closed
                       and len(pool.idle) < self._settings.max_reads)
            if is_kept:
                pool.idle.append(link)
        if not is_kept:
            link.close()

    def _discard_idle(self, pool: Pool) -> None:
        """One link was found broken: the idle ones are of the same age, or older."""
        with self._lock:
            links = pool.drain()
        for link in links:
            link.close()


def end_of_pending(done: End[Any], value: Any, error: BaseException | None) -> End[Any]:
    """A cluster's End, with what its host knows."""
    return replace(done, value=value if done.found else None, error=error)


# -- the cluster's own threads: they keep no reference to it while they wait ---------------------------


def _abandon(changed: threading.Condition, machine: Machine, pools: list[Pool],
             askers: list[SimpleQueue[Action | None]],
             notices: SimpleQueue[tuple[int, str] | None]) -> None:
    """Of a cluster that nobody closed, when it is collected or the program ends."""
    if machine.is_own_process():
        with changed:
            machine.close()
            changed.notify_all()
            links = [link for pool in pools for link in pool.drain()]
        for link in links:
            link.close()
        for questions in askers:
            questions.put(None)
        notices.put(None)


def _tell(settings: Settings, notices: SimpleQueue[tuple[int, str] | None]) -> None:
    """Whoever takes notices may use the cluster, or take long: neither lock nor clock waits."""
    while (notice := notices.get()) is not None:
        settings.notify(*notice)


def _watch(reference: weakref.ref[Cluster], changed: threading.Condition,
           machine: Machine) -> None:
    """Calls next() when the time has come for which it was last told. Without it no read ends by its time, so it
    goes on after whatever goes wrong; memory may be short for a while."""
    is_told = False
    while True:
        try:
            if not _watch_once(reference, changed, machine):
                return
            is_told = False
        except Exception:
            if not is_told:
                is_told = True
                with suppress(Exception):
                    logger.exception("the cluster's clock failed, and goes on")
            time.sleep(_TRY_AGAIN_S)


def _watch_once(reference: weakref.ref[Cluster], changed: threading.Condition, machine: Machine) -> bool:
    """False: the cluster is gone."""
    cluster = reference()
    if cluster is None:
        return False
    with changed:
        if machine.is_closed:
            return False
        cluster._pump()
        wake_ns = cluster._sleeps_until = machine.wake_ns
    del cluster
    with changed:
        if not machine.is_closed and machine.wake_ns >= wake_ns:
            changed.wait(min(60.0, max(0.0, (wake_ns - time.monotonic_ns()) / 1e9)))
    return True


def _ask(reference: weakref.ref[Cluster], pool: Pool,
         questions: SimpleQueue[Action | None]) -> None:
    """Asks one server, one question after the other."""
    link: Link | None = None
    generation = 0
    while (action := questions.get()) is not None:
        cluster = reference()
        if cluster is None:
            break
        try:
            with cluster._lock:
                is_wanted = action.id in cluster._running
                is_stale = generation != pool.generation
                generation = pool.generation
            if is_stale and link is not None:
                link.close()  # which a pool may take its time for
                link = None
            if is_wanted:
                link = _ask_once(cluster, pool, action, link)
        except Exception as error:
            # Not the driver's. The question's limit ends it, and the next one is asked.
            link = None
            with suppress(Exception):
                _tell_of(cluster, pool, action, error)
        del cluster
    if link is not None:
        link.close()


def _tell_of(cluster: Cluster, pool: Pool, action: Action, error: Exception) -> None:
    with cluster._lock:
        is_new = cluster._machine.note_hearing(action.server, said_by(error))
    if is_new:
        logger.exception("asking %s failed", pool.server.name)


def _ask_once(cluster: Cluster, pool: Pool, action: Action, link: Link | None) -> Link | None:
    """Returns the link to be kept."""
    assert action.text is not None
    outcome, before = _abi.SERVER_GONE, None
    trouble: str | None = None
    # A link that was kept may have been lost long before: then one that is new.
    for _ in range(1 if link is None else 2):
        try:
            link = link or pool.server.connect_to_ask()
            if not cluster._run_on(link, action):
                cluster._prompt(action.server)
                return link
            before = link.ask(action.text)
            outcome, trouble = _abi.ANSWERED, None
            break
        except pool.server.errors as error:
            trouble = None if link is not None and cluster._was_cut_off(action) else said_by(error)
            is_broken = link is None or not link.is_usable() or pool.server.is_disconnect(error)
            outcome = _sql.outcome_of_error(pool.server.sqlstate(error), is_broken, False)
            if not is_broken:
                break
            if link is not None:
                link.close()
            link = None
    with cluster._lock:
        if cluster._machine.is_closed:
            return link
        if trouble is not None or outcome == _abi.ANSWERED:
            cluster._machine.note_hearing(action.server, trouble)
        if cluster._running.pop(action.id, _GONE) is not _GONE:
            cluster._machine.answer(action.id, _abi.FAILED if outcome == _abi.CONFLICT else outcome,
                                    before)
            cluster._pump()
    return link
