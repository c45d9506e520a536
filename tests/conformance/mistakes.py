"""The mistakes that the kit knows by their symptoms: the checklist of docs/writing-a-host.md."""

MISTAKES = {
    "unproven":
        "What a replica lacks, however often it was asked, is taken for absent. Only the primary knows, or a"
        " replica that has reached a position that the primary had when the read had already begun. Or the primary is"
        " asked with the replica's guard, pg_is_in_recovery(), by which it has no row at all.",
    "locate-kept":
        "A located position is kept, and used for reads that began later: a row that was committed after it"
        " was located is \"proven absent\". One answer may serve the reads that waited before the question"
        " was sent, and none that came later.",
    "other-connection":
        "The position is another connection's: behind a balancer or a pooler the question and the read reach"
        " two servers, and one's position proves the other's absence. Question and statement belong in one"
        " transaction on one connection.",
    "received-not-replayed":
        "The position that the replica has received is taken for the one that it has replayed: WAL that is"
        " there but not applied counts as seen. pg_last_wal_replay_lsn(), not pg_last_wal_receive_lsn().",
    "flushed-not-inserted":
        "The primary's flushed position is taken for the end of its WAL: a commit with synchronous_commit ="
        " off is acknowledged before that. Absence is proven at the inserted position only.",
    "old-snapshot":
        "The snapshot is older than the position that qualifies it: REPEATABLE READ (or SERIALIZABLE) around"
        " the read, or a framework's transaction for each request. READ COMMITTED, and the question first.",
    "position-after":
        "The position that qualifies an answer was asked for after the statement, or in it: the statement's"
        " snapshot is older. The question comes first, in the same READ COMMITTED transaction; what is asked"
        " afterwards is for the client to hand on.",
    "default-isolation":
        "The isolation level is left to the role's or the database's default. Set READ COMMITTED on the"
        " connection or for the transaction itself.",
    "other-timeline":
        "Positions of two timelines are compared: the replica follows a server that was promoted, so it is"
        " further on by number and lacks the row for good. Prove nothing unless the timelines are known"
        " and the same.",
    "promoted-replica":
        "A server that answers as a replica is none any more: its \"missing\" is taken for a replica's. See in"
        " every answer, an empty one too, whether pg_is_in_recovery() held.",
    "stale-primary":
        "A server's \"missing\" is believed though another one has been promoted since: it is not the primary"
        " any more, or two of them say that they are, or a connection that was never closed leads to the old one."
        " Follow timelines, prove nothing in a split, and dial anew when a newer timeline is seen.",
    "error-as-missing":
        "An error, or a time-out, is reported as missing: an outage looks like made-up ids. Missing is an answer"
        " without the row, and nothing else.",
    "no-limit":
        "A silent server has no limit: whoever waits for it waits for good. statement_timeout does not help,"
        " for the server is what is silent. A limit for connecting, one for each answer, and shut the"
        " socket down from outside.",
    "forked":
        "Connections were opened before a fork and are used, or will be closed, by two processes: they read"
        " each other's answers. Open them, and the cluster, after the fork.",
    "answers-swapped":
        "A read was given another read's answer, or one that came when that read had been given up. Compare what"
        " identifies a row with what was asked, in every answer; on a difference drop the connection and ask"
        " again.",
    "floor-ignored":
        "The position that a client handed on is not kept as a floor: the answer is from before it. Found"
        " counts only from a server that is known to have reached the floor.",
    "position-too-old":
        "The position in the answer is older than what the answer shows: whoever passes it on may see an older"
        " state next. It is taken after the statement's snapshot; what comes before qualifies the answer.",
    "never-again":
        "Reads fail for good after a server was away, or was another one for a while, though all are well again. What is"
        " asked besides the reads must go on while they fail at once: call next until it returns 0, before the next read"
        " begins at the latest.",
    "aborted-session":
        "After an error the session is kept in its transaction, which is aborted: whatever is asked there fails. In a"
        " pipeline what follows an error is skipped, COMMIT and ROLLBACK too: roll back after the Sync, or close the"
        " connection.",
    "no-proof":
        "Nothing is ever proven or denied: with all servers well, a made-up id fails. Is the question asked"
        " in the read's own transaction, is that READ COMMITTED, may the role see what the question asks?",
    "not-found":
        "A row that was committed long ago is not found while all servers are well.",
    "made-up":
        "A row is found that nobody has written.",
    "ended":
        "The host has ended by itself.",
    "no-protocol":
        "The host does not speak the kit's protocol: a line in is ROW [POSITION], a line out is ROW VERDICT"
        " [position=...] [value=...].",
}
