"""Reads for asyncio: decisions only (read), and clusters (Cluster; connect in read_policy.asyncpg,
connect_async in read_policy.psycopg)."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from contextvars import Context, copy_context
from typing import Any, Awaitable, Callable, Mapping, Sequence, TypeVar, overload

from . import _abi, _sql
from ._cluster import end_of_pending
from ._end import Closed, End, UsageError, outcome_number, outcome_of, timeout_of
from ._machine import Action, ClusterInfo, Machine, ServerInfo, Settings, logger, said_by
from ._policies import Decisions, Metric, Policy, PolicySet

T = TypeVar("T")
ABORT_GRACE_S = 1.0
_TRY_AGAIN_S = 0.05


async def read(policy: Policy, read_replica: Callable[[int], Awaitable[T]],
               read_primary: Callable[[], Awaitable[T]], *, replicas: int = 1,
               in_transaction: bool = False, timeout: float | None = None,
               outcome: Callable[[T], str] = outcome_of) -> End[T]:
    """As Policy.read, with coroutines."""
    decisions = Decisions(policy, replicas, in_transaction, timeout)
    try:
        for step in decisions:
            if step.kind == _abi.STEP_WAIT:
                await asyncio.sleep(max(0, step.until_ns - time.monotonic_ns()) / 1e9)
                decisions.waited()
                continue
            try:
                value = await (read_replica(step.replica) if step.target == _abi.TARGET_REPLICA
                               else read_primary())
            except Exception as error:
                decisions.raised(error)
            else:
                decisions.answered(value, outcome(value))
        return decisions.end()
    finally:
        decisions.close()


class Link(ABC):
    """A connection to one server, for one read or question at a time."""

    # Dialled for what it does now. One that was kept may have been lost long before.
    is_fresh = True

    @abstractmethod
    async def ask(self, text: str) -> str | None:
        """The one column of the one row of a statement."""

    @abstractmethod
    async def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        """In one READ COMMITTED transaction: the question, what the caller reads, _sql.AFTER."""

    @abstractmethod
    def abort(self) -> None:
        """Whoever waits for this connection gets an error now; it is of no use afterwards."""

    @abstractmethod
    def close(self) -> None:
        """At once, without a word to the server. Nobody waits for it."""

    @abstractmethod
    def is_usable(self) -> bool:
        """Whether it may serve another read: connected, in no transaction."""


class Server(ABC):
    """How one server is reached, by one driver."""

    # What the driver raises; anything else that a read raises is the caller's.
    errors: tuple[type[BaseException], ...]

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    async def connect(self) -> Link: ...


class _Pool:
    """The idle links to one server, the last one used first, and the one that asks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.idle: deque[Link] = deque()
        self.generation = 0
        self.asks: Link | None = None
        self.asks_generation = 0
        self.asking = asyncio.Lock()
        self.dial: asyncio.Task[Link] | None = None
        self.dials: set[asyncio.Task[Link]] = set()  # for reads

    def drain(self) -> None:
        self.generation += 1
        while self.idle:
            self.idle.pop().close()


class _Run:
    """An action under way."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.link: Link | None = None


class _Pending:
    """A read that a caller awaits."""

    def __init__(self, job: Any, outcome: Callable[[Any], str]) -> None:
        self.job = job
        self.outcome = outcome
        # What comes next may be begun from another read's task: its variables are not this caller's.
        self.context = copy_context()
        self.done: asyncio.Future[End[Any]] = asyncio.get_running_loop().create_future()
        self.value: Any = None
        self.error: BaseException | None = None


class Cluster:
    """Servers of which one is the primary, and reads that go where the policies send them.

    It belongs to the event loop that runs when it is made, and to its process. Connections are made when
    they are needed, at most max_reads to each server and one that asks; `await cluster.close()`, or
    `async with`, closes them.
    """

    def __init__(self, policies: PolicySet, servers: Sequence[Server], *,
                 expect: Mapping[str, str] | None = None, settings: Settings = Settings()) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._policies = policies
        self._settings = settings
        self._machine = Machine(policies, [server.name for server in servers], expect or {}, settings,
                                lambda *notice, own=self._context: own.copy().run(settings.notify, *notice))
        self._pools = [_Pool(server) for server in servers]
        self._pending: dict[int, _Pending] = {}
        self._tags = 0
        self._running: dict[int, _Run] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._settled = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._pump()

    # -- for callers ---------------------------------------------------------------------------------

    @overload
    async def read(self, section: str, read: Callable[[Any], Awaitable[T]], *,
                   outcome: Callable[[T], str] = ..., position: str | None = ...,
                   timeout: float | None = ..., in_transaction: bool = ...) -> End[T]: ...

    @overload
    async def read(self, section: str, read: str, values: Any = ..., *,
                   outcome: Callable[[Any], str] = ..., position: str | None = ...,
                   timeout: float | None = ..., in_transaction: bool = ...) -> End[Any]: ...

    async def read(self, section: str, read: Any, values: Any = (), *,
                   outcome: Callable[[Any], str] = outcome_of, position: str | None = None,
                   timeout: float | None = None, in_transaction: bool = False) -> End[Any]:
        """As the blocking cluster's read; `read` is a statement, or a coroutine function that takes a
        connection. It is called in a task of its own, with the caller's context variables. A caller that
        is cancelled has its statement cancelled too."""
        self._check_usable()
        timeout = timeout_of(timeout)
        policy = self._policies.policy(section)
        if not self._settled.is_set():
            timeout = await self._wait_settled(self._settings.timeout if timeout is None else timeout)
            self._check_usable()
        pending = _Pending(read if callable(read) else (read, values), outcome)
        self._tags += 1
        tag = self._tags
        read_id = self._machine.start(policy, tag, position, timeout, in_transaction)
        self._pending[tag] = pending
        try:
            self._pump()
            return end_of_pending(await pending.done, pending.value, pending.error)
        finally:
            if self._pending.pop(tag, None) is not None and not self._machine.is_closed:
                self._machine.forget(read_id)
                self._pump()

    async def _wait_settled(self, seconds: float) -> float:
        """Until every server has been heard nothing is proven, and nobody is known to be the primary.
        Returns what is left of the time."""
        begun = time.monotonic()
        try:
            await asyncio.wait_for(self._settled.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        return seconds - (time.monotonic() - begun)

    def info(self) -> ClusterInfo:
        self._check_usable()
        return self._machine.info()

    def server(self, name: str) -> ServerInfo:
        self._check_usable()
        return self._machine.server(name)

    def server_set(self, name: str, *, expect: str = "any", state: str = "on") -> None:
        """state: "on", "drain" (no read begins there) or "off"; expect: "any", "primary", "replica"."""
        self._check_usable()
        self._machine.server_set(name, expect, state)
        self._pump()

    def forget_history(self) -> None:
        """After a restore, an upgrade or a split: system and timeline that are remembered are learnt anew. It is
        what notices call to reload the host."""
        self._check_usable()
        self._machine.forget_history()
        self._pump()

    def metrics(self) -> list[Metric]:
        """The cluster's own counters and those of its policy set."""
        self._check_usable()
        return self._policies.metrics() + self._machine.metrics()

    async def close(self) -> None:
        """Reads under way raise Closed. May be called twice. In another process than its own it does
        nothing: the connections are not that one's. Raises UsageError in another event loop."""
        if self._machine.is_closed or not self._machine.is_own_process():
            return
        self._check_loop()
        self._machine.close()
        if self._timer is not None:
            self._timer.cancel()
        self._settled.set()
        for pending in self._pending.values():
            if not pending.done.done():
                pending.done.set_exception(Closed("the cluster was closed while the read was under way"))
        for run in list(self._running.values()):
            self._abort(run)
        for pool in self._pools:
            for dial in [*pool.dials, *filter(None, (pool.dial,))]:
                dial.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for pool in self._pools:
                pool.drain()
                if pool.asks is not None:
                    pool.asks.close()

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    def _check_usable(self) -> None:
        self._machine.check_usable()
        self._check_loop()

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise UsageError("the cluster belongs to another event loop; each has its own")

    # -- what is to be done ----------------------------------------------------------------------------

    def _pump(self) -> None:
        """Begins all that is to be done now, and sets the timer, whatever happens: without it no read ends by its
        time."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = _TRY_AGAIN_S
        try:
            self._hand_out()
            seconds = min(3600.0, max(0.0, (self._machine.wake_ns - time.monotonic_ns()) / 1e9))
        finally:
            self._timer = self._loop.call_later(seconds, self._on_time, context=self._context)

    def _hand_out(self) -> None:
        while (action := self._machine.next()) is not None:
            if action.kind in (_abi.ACTION_ASK, _abi.ACTION_READ):
                self._machine.taken()  # where tasks begin at once, one may come here again
            if action.kind == _abi.ACTION_ASK:
                self._begin(action, self._ask(action), self._context)
            elif action.kind == _abi.ACTION_READ:
                pending = self._pending[action.tag]
                self._begin(action, self._perform(action, pending), pending.context)
            elif action.kind == _abi.ACTION_DONE:
                ended = self._pending.get(action.tag)
                if ended is not None and not ended.done.done() and action.done is not None:
                    ended.done.set_result(action.done)
                self._pending.pop(action.tag, None)
            elif action.kind == _abi.ACTION_DROP:
                run = self._running.get(action.id)
                if run is not None:
                    self._abort(run)
                self._running.pop(action.id, None)
            elif action.kind == _abi.ACTION_REDIAL:
                self._pools[action.server].drain()
            self._machine.taken()
        if not self._settled.is_set() and self._machine.settled():
            self._settled.set()

    def _on_time(self) -> None:
        if not self._machine.is_closed and self._machine.is_own_process():
            self._pump()

    def _begin(self, action: Action, work: Any, context: Context) -> None:
        self._running[action.id] = run = _Run()
        # A copy: where tasks begin at once, one of the same read may begin within another's.
        run.task = context.copy().run(lambda: self._loop.create_task(work))
        self._tasks.add(run.task)
        run.task.add_done_callback(self._tasks.discard)

    def _abort(self, run: _Run) -> None:
        task = run.task
        assert task is not None
        if run.link is None:
            task.cancel()
            return
        # Drivers that are cancelled may wait for the server, which is what did not answer. They see a
        # lost connection first; what waits for something else is cancelled then.
        run.link.abort()
        self._loop.call_later(ABORT_GRACE_S, task.cancel)

    async def _link(self, pool: _Pool, run: _Run) -> Link:
        # Where as many are being made as there may be reads, some are for reads that were given up, as
        # callers in a hurry leave them behind: one of those will do.
        while not pool.idle and len(pool.dials) >= self._settings.max_reads:
            await asyncio.wait(pool.dials, return_when=asyncio.FIRST_COMPLETED)
        if pool.idle:
            run.link = pool.idle.pop()
            run.link.is_fresh = False
        else:
            run.link = await self._dialled_for_read(pool)
        return run.link

    async def _dialled_for_read(self, pool: _Pool) -> Link:
        """It goes on without whoever has no time left for it: a server may be slower to connect to than
        reads may take, and the next one finds the connection there."""
        generation = pool.generation
        dial = self._loop.create_task(pool.server.connect())
        for tasks in (pool.dials, self._tasks):
            tasks.add(dial)
            dial.add_done_callback(tasks.discard)
        try:
            return await asyncio.shield(dial)
        except asyncio.CancelledError:
            dial.add_done_callback(lambda dial: self._keep(pool, generation, dial))
            raise

    def _keep(self, pool: _Pool, generation: int, dial: asyncio.Task[Link]) -> None:
        if not dial.cancelled() and dial.exception() is None:
            self._give_back(pool, dial.result(), generation)

    async def _perform(self, action: Action, pending: _Pending) -> None:
        pool, run = self._pools[action.server], self._running[action.id]
        generation = pool.generation
        before = after = value = None
        try:
            link = await self._link(pool, run)
            if self._machine.is_closed:
                return  # connecting may end well though it was cancelled
            answer = await link.read(action.text, pending.job, action.limit_ns)
            before, after, value = answer.before, answer.after, answer.value
            if action.target == _abi.TARGET_REPLICA and not answer.in_recovery:
                number = _abi.ROLE_CHANGED
            else:
                number = outcome_number(pending.outcome(value))
        except pool.server.errors as error:
            number = self._failed(pool, run.link, error)
            if action.id in self._running:
                pending.error = error
        except (Exception, asyncio.CancelledError) as error:
            # No DROP finds its link any more, which may be another read's by then.
            if self._running.pop(action.id, None) is not None:
                self._raise(pending, error)
            return
        finally:
            if run.link is not None:
                self._give_back(pool, run.link, generation)
        if self._running.pop(action.id, None) is not None and not self._machine.is_closed:
            if number in (_abi.FOUND, _abi.PARTIAL):
                pending.value = value
            self._machine.answer(action.id, number, before, after)
            self._pump()

    @staticmethod
    def _raise(pending: _Pending, error: BaseException) -> None:
        """Whoever awaits the read is told what its own function raised."""
        if pending.done.done():
            return
        if isinstance(error, asyncio.CancelledError):
            # Not by a DROP, which would have taken the action out: something that it awaits was.
            pending.done.cancel()
        elif isinstance(error, StopIteration):
            # No future takes it; a coroutine that raises it gives the same.
            stopped = RuntimeError("a function of the read's raised StopIteration")
            stopped.__cause__ = error
            pending.done.set_exception(stopped)
        else:
            pending.done.set_exception(error)

    @staticmethod
    def _failed(pool: _Pool, link: Link | None, error: BaseException) -> int:
        if link is not None and not link.is_fresh and _sql.is_void(error):
            link.close()
        is_broken = link is None or not link.is_usable()
        was_idle = link is not None and not link.is_fresh
        if was_idle and is_broken:
            pool.drain()  # those are of the same age, or older
        return _sql.outcome_of_error(getattr(error, "sqlstate", None), is_broken, was_idle)

    def _give_back(self, pool: _Pool, link: Link, generation: int) -> None:
        if (link.is_usable() and generation == pool.generation and not self._machine.is_closed
                and len(pool.idle) < self._settings.max_reads):
            pool.idle.append(link)
        else:
            link.close()

    async def _dialled(self, pool: _Pool, server: int) -> Link:
        """A connection that asks. It may take longer than the question may, or a server that is slow to
        connect to would never be heard: whoever asks next finds it there."""
        if pool.dial is None:
            pool.asks_generation = pool.generation
            pool.dial = self._loop.create_task(pool.server.connect())
            self._tasks.add(pool.dial)
            pool.dial.add_done_callback(lambda dial: self._end_dial(pool, server, dial))
        return await asyncio.shield(pool.dial)

    def _end_dial(self, pool: _Pool, server: int, dial: asyncio.Task[Link]) -> None:
        self._tasks.discard(dial)
        pool.dial = None
        if dial.cancelled():
            return
        error = dial.exception()
        if error is not None:
            # Whoever asks hears of it, too; if it has been dropped, nobody else does.
            if not pool.asking.locked() and not self._machine.is_closed:
                self._machine.note_hearing(server, said_by(error))
            return
        pool.asks = dial.result()
        if self._machine.is_closed:
            pool.asks.close()
        elif not pool.asking.locked():
            self._machine.prompt(server)
            self._pump()

    async def _ask(self, action: Action) -> None:
        pool, run = self._pools[action.server], self._running[action.id]
        assert action.text is not None
        outcome, before = _abi.SERVER_GONE, None
        trouble: str | None = None
        async with pool.asking:
            if pool.asks is not None and pool.asks_generation != pool.generation:
                pool.asks.close()
                pool.asks = None
            # A link that was kept may have been lost long before: then one that is new.
            for _ in range(1 if pool.asks is None else 2):
                if self._machine.is_closed:
                    return  # close() does not know of what would be dialled now
                run.link = pool.asks
                try:
                    run.link = pool.asks = pool.asks or await self._dialled(pool, action.server)
                    before = await pool.asks.ask(action.text)
                    outcome, trouble = _abi.ANSWERED, None
                    break
                except pool.server.errors as error:
                    trouble = None if pool.asks is not None and self._was_cut_off(action) else said_by(error)
                    is_broken = pool.asks is None or not pool.asks.is_usable()
                    outcome = _sql.outcome_of_error(getattr(error, "sqlstate", None), is_broken, False)
                    if not is_broken:
                        break
                    if pool.asks is not None:
                        pool.asks.close()
                    pool.asks = None
                except Exception as error:
                    # Not the driver's: an address that is none, say. Nobody else would tell of it.
                    trouble = said_by(error)
                    if not self._machine.is_closed and self._machine.note_hearing(action.server, trouble):
                        logger.exception("asking %s failed", pool.server.name)
                    break
        is_wanted = self._running.pop(action.id, None) is not None
        if self._machine.is_closed:
            return
        if trouble is not None or outcome == _abi.ANSWERED:
            self._machine.note_hearing(action.server, trouble)
        if is_wanted:
            self._machine.answer(action.id, _abi.FAILED if outcome == _abi.CONFLICT else outcome,
                                 before)
            self._pump()

    def _was_cut_off(self, action: Action) -> bool:
        """Of a question that came to nothing on its link."""
        if action.id in self._running:
            return False
        if not self._machine.is_closed:
            self._machine.note_cut_off(action)
        return True
