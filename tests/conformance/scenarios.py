"""What the kit does to the servers of a host, and what it must answer then.

A scenario is a function of the kit; it calls kit.wrong(mistake, what was seen) for what is wrong, and
kit.remark(text) for what is honest but could be better. The order matters: each leaves the servers as the
next one expects them, the last ones leave them in ruins, and a symptom that an earlier scenario has explained is
not explained anew.

A wrong answer is one that no patience of the client's makes good: "missing" for a row that was committed
before it was asked for, an old state where a newer one had been seen, another's row. "failed" and "shed"
never are, but where all servers are well a host must be able to answer.
"""

import contextlib
import time

from relay import RoundRobin
from testbed import wait_for

SCENARIOS = []


def scenario(title):
    """Adds the function to the scenarios."""
    def add(function):
        function.title = title
        function.name = function.__name__.replace("_", "-")
        SCENARIOS.append(function)
        return function
    return add


def must_be_there(kit, host, answer, mistake, seen):
    """A committed row: found, or an honest failure."""
    if answer.verdict is None:
        kit.wrong("no-limit", f"{seen}: no answer within {kit.limit_s:g} s", host)
    elif answer.verdict == "missing":
        kit.wrong(mistake, f"{seen}: \"missing\", and it had been committed before", host)
    elif answer.verdict == "found":
        kit.check_value(host, answer, seen)
    return answer.verdict


@scenario("all is well")
def all_is_well(kit):
    rows = [kit.commit() for _ in range(3)]
    kit.catch_up()
    with kit.host() as host:
        for row in rows:
            answer = host.find(row, limit_s=kit.limit_s)
            if answer.verdict != "found":
                kit.wrong("not-found", f"a row that both servers have: {answer}", host)
            kit.check_value(host, answer, "a row that both servers have")
        if not any(kit.looks_for(row) for row in rows):
            kit.remark("the replica is not read: these rows were the primary's")
        answer = host.find(kit.bogus(), limit_s=kit.limit_s)
        if answer.verdict == "found":
            kit.wrong("made-up", "an id that is nowhere: found", host)
        elif answer.verdict != "missing":
            mistake = "old-snapshot" if kit.saw_other_isolation() else "no-proof"
            kit.wrong(mistake, f"an id that is nowhere, and all servers are well: {answer}", host)
        answer = host.find(kit.commit(), limit_s=kit.limit_s)
        must_be_there(kit, host, answer, "not-found", "a row that was committed just now")


@scenario("positions in answers")
def positions(kit):
    row = kit.commit()
    with kit.host() as host:
        kit.catch_up()
        replayed = kit.standby.value("SELECT pg_last_wal_replay_lsn()")
        answer = host.find(row, limit_s=kit.limit_s)
        if answer.position is None:
            kit.remark("answers tell no position: clients cannot ask not to see an older state")
        elif kit.is_before(answer.position, replayed):
            kit.wrong("position-too-old", f"an answer of {answer.position}, from a server that had been at"
                      f" {replayed} before it was asked", host)


@scenario("the replica lacks the row for longer than anybody waits")
def lacks_for_long(kit):
    kit.catch_up()
    with kit.replication_stalled(), kit.host(wait=False) as host:
        # Its first read, so that no position was kept.
        answer = host.find(kit.commit(), limit_s=kit.limit_s + kit.start_s)
        must_be_there(kit, host, answer, "unproven", "a row that only the primary has, in the host's first read")


@scenario("the replica has not received the row")
def not_received(kit):
    with kit.host() as host:
        kit.catch_up()
        host.find(kit.bogus(), limit_s=kit.limit_s)  # so that there is a position to be kept
        with kit.replication_stalled():
            answer = host.find(kit.commit(), limit_s=kit.limit_s)
            must_be_there(kit, host, answer, "locate-kept",
                          "a row that the replica has not received, after the primary's position had been"
                          " asked for another read")


@scenario("a row is committed while the primary's position is on its way")
def located_meanwhile(kit):
    with kit.host() as host:
        kit.catch_up()
        host.find(kit.bogus(), limit_s=kit.limit_s)
        with kit.replay_paused():
            bogus = kit.bogus()
            kit.primary_relay.hold_after(1)
            host.ask(bogus)
            held = kit.holds(kit.primary_relay)
            row = kit.commit()
            host.ask(row)
            # Long enough for its read of the replica; a host that is right is right in any case.
            time.sleep(0.2)
            kit.primary_relay.pass_through()
            answer = host.answer(row, kit.limit_s)
            must_be_there(kit, host, answer, "locate-kept",
                          "a row that was committed after another read's question had been sent to the"
                          " primary" if held else "a row that the replica has not replayed")
            host.answer(bogus, kit.limit_s)


@scenario("the replica has received the row, but not replayed it")
def not_replayed(kit):
    with kit.host() as host:
        kit.catch_up()
        with kit.replay_paused():
            row = kit.commit()
            kit.wait_received()
            answer = host.find(row, limit_s=kit.limit_s)
            must_be_there(kit, host, answer, "received-not-replayed",
                          "a row that the replica has received, and not replayed")


@scenario("the row comes while the host waits")
def comes_meanwhile(kit):
    with kit.host() as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        for _ in range(3):
            kit.catch_up()
            with kit.replay_paused():
                row = kit.commit()
                host.ask(row)
                time.sleep(0.15)  # well below max_wait_ms
            answer = host.answer(row, kit.limit_s)
            must_be_there(kit, host, answer, "old-snapshot",
                          "a row that the replica replayed while the host waited for it")


@scenario("the row comes between the host's statement and its next one")
def comes_between(kit):
    with kit.host() as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        for _ in range(3):
            kit.catch_up()
            kit.replica_relay.delay(0.1)  # so that there is a moment before it has the answer
            with kit.replay_paused():
                row = kit.commit()
                host.ask(row)
                # Its second look: a position was asked for by then. One that waits before it looks again has none.
                wait_until(lambda row=row: kit.looks_for(row) >= 2, 0.8)
                kit.replica_relay.stall()
            kit.catch_up()
            kit.replica_relay.pass_through()
            answer = host.answer(row, kit.limit_s)
            if must_be_there(kit, host, answer, "position-after",
                             "a row that the replica replayed just after the host had looked for it") == "missing":
                break


@scenario("the role's default is REPEATABLE READ")
def default_isolation(kit):
    with kit.default_isolation("repeatable read"), kit.host() as host:
        kit.catch_up()
        answer = host.find(kit.bogus(), limit_s=kit.limit_s)
        if answer.verdict != "missing":
            kit.wrong("default-isolation", f"an id that is nowhere: {answer}", host)
        with kit.replay_paused():
            row = kit.commit()
            host.ask(row)
            time.sleep(0.15)
        answer = host.answer(row, kit.limit_s)
        must_be_there(kit, host, answer, "default-isolation",
                      "a row that the replica replayed while the host waited for it")


@scenario("commits that are acknowledged before they are flushed")
def asynchronous_commits(kit):
    with kit.host() as host, kit.slow_wal_writer():
        host.find(kit.bogus(), limit_s=kit.limit_s)
        for _ in range(4):
            answer = host.find(kit.commit(asynchronous=True), limit_s=kit.limit_s)
            if must_be_there(kit, host, answer, "flushed-not-inserted",
                             "a row that was committed with synchronous_commit = off") == "missing":
                break


@scenario("a balancer before two replicas, of which one lags")
def balancer(kit):
    for servers in ((kit.standby, kit.other), (kit.other, kit.standby)):
        with RoundRobin(*servers) as relay, kit.host(replica=relay) as host:
            host.find(kit.bogus(), limit_s=kit.limit_s)
            kit.catch_up()
            with kit.replay_paused(kit.other):
                for _ in range(2):
                    row = kit.commit()
                    kit.catch_up(kit.standby)
                    answer = host.find(row, limit_s=kit.limit_s)
                    if must_be_there(kit, host, answer, "other-connection",
                                     "a row that one of two servers behind the replica's address"
                                     " lacks") == "missing":
                        return


@scenario("many reads at once, and whose connections they use")
def many_at_once(kit):
    known = [kit.commit() for _ in range(20)]
    kit.catch_up()
    with kit.host() as host:
        host.find(known[0], limit_s=kit.limit_s)
        asked = [row for pair in zip(known, [kit.bogus() for _ in known]) for row in pair]
        for row in asked:
            host.ask(row)
        shared, deadline = set(), time.monotonic() + 1.0
        while not shared and time.monotonic() < deadline:
            shared = host.shared_connections(kit.ports())
            if all(host.answers(row) for row in asked):
                break
        if shared:
            first, second = sorted(shared)[0]
            kit.wrong("forked", f"processes {first} and {second} have a connection to a server in"
                      " common", host)
            return
        deadline = time.monotonic() + kit.limit_s
        for row in asked:
            answer = host.answer(row, max(0.0, deadline - time.monotonic()))
            if answer.verdict is None:
                kit.wrong("no-limit", f"of {len(asked)} reads at once one has no answer", host)
                return
            if answer.verdict == "found":
                if row not in known:
                    kit.wrong("answers-swapped", "an id that is nowhere was found, beside others", host)
                kit.check_value(host, answer, "one of many reads at once")
            elif answer.verdict == "missing" and row in known:
                kit.wrong("answers-swapped", "a row that both servers have is \"missing\", beside other"
                          " reads", host)
        again = [row for row in asked if host.answers(row) > 1]
        if again:
            kit.wrong("answers-swapped", f"{len(again)} reads were answered twice", host)


@scenario("a position that was handed on")
def floor(kit):
    row = kit.commit()
    kit.catch_up()
    with kit.host() as host:
        host.find(row, limit_s=kit.limit_s)
        with kit.replay_paused():
            position = kit.change(row)
            answer = host.find(row, position, limit_s=kit.limit_s)
            if answer.verdict == "missing":
                kit.wrong("floor-ignored", "a row that both servers have, with a floor: \"missing\"", host)
            elif answer.verdict == "found" and answer.value is None and answer.position is None:
                kit.remark("whether a position that is handed on is a floor cannot be seen: answers have"
                           " neither value nor position")
            elif answer.verdict == "found" and (
                    answer.value not in (None, kit.values[row])
                    or answer.position is not None and kit.is_before(answer.position, position)):
                kit.wrong("floor-ignored", f"asked for {position} or later, and got the row as it was"
                          " before", host)
            elif answer.verdict != "found":
                kit.remark(f"a read with a floor that the replica has not reached: {answer}, though the"
                           " primary could have answered")


@scenario("reads that recovery cancels on the replica")
def cancelled(kit):
    if not kit.has_own_table():
        return
    for sqlstate, settings in (("40P01", contextlib.nullcontext), ("40001", kit.standby.conflicts_at_once)):
        with settings(), kit.host() as host:
            row = kit.commit()
            kit.catch_up()
            asked = kit.looks_for(row, kit.writer)
            _, is_cancelled = kit.cluster.cancel_a_read("conformance_row", lambda row=row, host=host: host.ask(row))
            answer = host.answer(row, kit.limit_s)
            verdict = must_be_there(kit, host, answer, "error-as-missing", "a row that both servers have; the replica's"
                                    f" recovery has cancelled the read of it ({sqlstate})")
            if is_cancelled and (verdict == "failed" or kit.looks_for(row, kit.writer) > asked):
                end = "fails" if verdict == "failed" else "costs the primary one"
                kit.remark(f"a read that recovery cancels ({sqlstate}) {end}: ask the replica again, once")
            if is_cancelled:
                comes_back(kit, host, row, sqlstate)


def comes_back(kit, host, row, sqlstate):
    """The replica's sessions are of use again before long."""
    deadline = time.monotonic() + kit.failover_s
    while time.monotonic() < deadline:
        asked = kit.looks_for(row, kit.writer)
        verdict = host.find(row, limit_s=kit.limit_s).verdict
        costs = kit.looks_for(row, kit.writer) > asked
        if verdict == "found" and not costs:
            return
        time.sleep(0.05)
    late = f"{kit.failover_s:g} s after one that recovery has cancelled ({sqlstate})"
    if verdict == "found":
        kit.remark(f"reads still cost the primary one, {late}: perhaps a session is left in its aborted transaction")
    else:
        kit.wrong("aborted-session", f"reads of a row that both servers have, {late}: {verdict}", host)


@scenario("connections that were lost while nobody used them")
def lost_connections(kit):
    row = kit.commit()
    kit.catch_up()
    with kit.host() as host:
        host.find(row, limit_s=kit.limit_s)
        host.find(kit.bogus(), limit_s=kit.limit_s)
        for relay in (kit.replica_relay, kit.primary_relay):
            relay.reset()
        answer = host.find(row, limit_s=kit.limit_s)
        if must_be_there(kit, host, answer, "error-as-missing", "a row that both servers have, after the host's"
                         " connections were lost") == "failed":
            kit.remark("a connection that was lost while idle costs the next read: ask again on a new one")


@scenario("a replica that falls silent")
def silent_replica(kit):
    row, other = kit.commit(), kit.commit()
    kit.catch_up()
    for connected in (True, False):
        if not connected:
            kit.replica_relay.stall()
        with kit.host(wait=connected) as host:
            kit.replica_relay.stall()
            answer = host.find(row, limit_s=kit.limit_s + (0 if connected else kit.start_s))
            where = "a kept connection" if connected else "connecting"
            if must_be_there(kit, host, answer, "error-as-missing",
                             f"the replica says nothing any more ({where})") == "failed":
                kit.remark(f"a silent replica ({where}) costs the read: the rest of its time could be the"
                           " primary's")
            kit.replica_relay.pass_through()
            # The answer that nobody waits for any more comes now.
            for _ in range(2):
                answer = host.find(other, limit_s=kit.limit_s)
                must_be_there(kit, host, answer, "error-as-missing", "the read after one that was given up")


@scenario("a primary that falls silent")
def silent_primary(kit):
    row = kit.commit()
    kit.catch_up()
    with kit.host() as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        kit.primary_relay.stall()
        answer = host.find(kit.bogus(), limit_s=kit.limit_s)
        if answer.verdict is None:
            kit.wrong("no-limit", f"the primary says nothing any more: no answer within {kit.limit_s:g} s",
                      host)
        else:
            if answer.verdict == "missing":
                kit.wrong("error-as-missing", "the primary says nothing, and an id that the replica lacks is"
                          " \"missing\": nobody can know", host)
            answer = host.find(row, limit_s=kit.limit_s)
            must_be_there(kit, host, answer, "error-as-missing",
                          "a row that the replica has, while the primary says nothing")
        kit.primary_relay.pass_through()


@scenario("servers that are down")
def down(kit):
    row = kit.commit()
    kit.catch_up()
    for relay, which in ((kit.replica_relay, "replica"), (kit.primary_relay, "primary")):
        with kit.host() as host:
            host.find(row, limit_s=kit.limit_s)
            relay.refuse()
            relay.reset()
            answer = host.find(row, limit_s=kit.limit_s)
            must_be_there(kit, host, answer, "error-as-missing", f"a row that both servers have; the {which} is"
                          " down")
            fresh = kit.commit()
            if which == "primary":
                kit.catch_up()
            answer = host.find(fresh, limit_s=kit.limit_s)
            must_be_there(kit, host, answer, "error-as-missing", f"a fresh row; the {which} is down")
            relay.pass_through()


@scenario("the two addresses are swapped, and swapped back")
def swapped(kit):
    row = kit.commit()
    kit.catch_up()
    with kit.host() as host:
        host.find(row, limit_s=kit.limit_s)
        kit.replica_relay.lead_to(kit.writer)
        kit.primary_relay.lead_to(kit.standby)
        noticed, answer = time.monotonic() + kit.notice_s, None
        while time.monotonic() < noticed:
            host.find(row, limit_s=kit.limit_s)
            time.sleep(0.05)
        kit.replica_relay.lead_to(kit.standby)
        kit.primary_relay.lead_to(kit.writer)
        deadline = time.monotonic() + kit.failover_s
        while time.monotonic() < deadline and (answer is None or answer.verdict != "found"):
            answer = host.find(row, limit_s=kit.limit_s)
            time.sleep(0.05)
        if answer.verdict != "found":
            kit.wrong("never-again", f"a row that both servers have, {kit.failover_s:g} s after the addresses were put right:"
                      f" {answer}", host)


@scenario("the replica is promoted by mistake, and the primary goes on")
def promoted(kit):
    with kit.host(replica=kit.other_relay) as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        kit.catch_up()
        kit.promote_other()
        for _ in range(4):
            answer = host.find(kit.commit(), limit_s=kit.limit_s)
            if must_be_there(kit, host, answer, "promoted-replica", "a row that was committed on the primary after"
                             " the replica's promotion") == "missing":
                break


@scenario("the replica follows a server that was promoted by mistake")
def other_timeline(kit):
    with kit.host(replica=kit.third_relay, wait=False) as host:
        for turn in range(4):
            answer = host.find(kit.commit(), limit_s=kit.limit_s + (0 if turn else kit.start_s))
            if must_be_there(kit, host, answer, "other-timeline", "a row that was committed on the primary; the"
                             " replica is on another timeline, and further on by number") == "missing":
                break


@scenario("the primary's address moves to a server that was promoted, and the old one goes on")
def moved_address(kit):
    with kit.host() as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        with kit.elsewhere():
            kit.primary_relay.lead_new_ones_to(kit.writer)  # connections that are open lead to the old one
            kit.replica_relay.lead_to(kit.third)
            with kit.replay_paused(kit.third):
                # Before a server was asked again nobody can know; what is said in that time is not judged.
                noticed = time.monotonic() + kit.notice_s
                while time.monotonic() < noticed:
                    host.find(kit.commit(), limit_s=kit.limit_s)
                    time.sleep(0.05)
                for _ in range(4):
                    answer = host.find(kit.commit(), limit_s=kit.limit_s)
                    if must_be_there(kit, host, answer, "stale-primary", "a row of the new primary, to which the old"
                                     f" one's address has led for {kit.notice_s:g} s; connections to the old one were"
                                     " left open") == "missing":
                        break
        kit.primary_relay.lead_to(kit.writer)
        kit.replica_relay.lead_to(kit.standby)


@scenario("a failover, and the old primary comes back")
def failover(kit):
    with kit.host() as host:
        host.find(kit.bogus(), limit_s=kit.limit_s)
        kit.fail_over()
        row = kit.commit()
        deadline, answer = time.monotonic() + kit.failover_s, None
        while time.monotonic() < deadline:
            answer = host.find(row, limit_s=kit.limit_s)
            if must_be_there(kit, host, answer, "stale-primary", "a row of the new primary") != "failed":
                break
            time.sleep(0.05)
        if answer.verdict == "failed":
            kit.remark(f"no read is served {kit.failover_s:g} s after the failover: who is the primary is"
                       " configured, not observed")
        kit.bring_old_primary_back()
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            answer = host.find(kit.commit(), limit_s=kit.limit_s)
            if must_be_there(kit, host, answer, "stale-primary", "a row of the new primary, while the old one is"
                             " back and takes reads") in (None, "missing"):
                break


def wait_until(condition, limit_s):
    """Whether the condition came true in time."""
    try:
        return bool(wait_for(condition, "", limit_s))
    except TimeoutError:
        return False
