/*
 * head.h - what every answer says of itself: which question it answers, what the server is, and
 * where it stands.
 *
 * On a link whose answers have been shifted by one, by a faulty pooler say, the next question would
 * be answered with the rows of the one before it. So an answer, an empty one too, echoes its
 * question. A head is a text of lines: the snapshot's id, the run's, the environment's if one was
 * asked for, as they were sent, and then
 *
 *     r or p, is the server in recovery (a replica) or out of it (a primary)?
 *     f or m, is the since row found or missing? Anything else says that it is missing where nobody
 *     asked: in a session that is not in UTF-8 by now, or a table that the name leads to no more.
 *     Of a primary that was asked as a replica it says nothing.
 *     its position after the statement's snapshot, as PostgreSQL prints it; nothing if it has none
 */
#ifndef SNAPSHOT_HEAD_H
#define SNAPSHOT_HEAD_H

#include "rows.h"

#include <stdbool.h>

/* What was asked. The ids hold no control characters. */
struct snapshot_question {
    struct text snapshot;
    struct text run;
    struct text environment; /* bytes NULL: none was asked for */
    bool as_replica;         /* by a statement for replicas, which a primary does not read for */
};

struct snapshot_head {
    /* The ids came back in other characters than they were sent in, as where two of them are one in
     * the database's encoding. It may be the answer to this question or not, and counts for
     * nothing; that is no reason to doubt the link, whose other answers tell. */
    bool restated;
    bool recovering;
    bool found;
    const char *after; /* NUL-terminated, within the text that was read; "": unknown */
};

/* Whether the lean statement may be asked: it takes ids for what they are in UTF-8 without looking
 * what the session's encoding is, and ASCII is the same in all of them. */
bool snapshot_question_is_ascii(const struct snapshot_question *question);

/* Takes a head apart, whose text must have a NUL behind it, as libpq's values have. False if it is
 * not one of an answer to this question. */
bool head_read(struct snapshot_head *head, const struct text *text,
               const struct snapshot_question *asked);

#endif
