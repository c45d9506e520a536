/*
 * lineage.c - see lineage.h.
 */
#include "lineage.h"

#include <string.h>

/* Answers to a role that may not see the system are full, too, and tell nothing of it. */
static const struct instance *known_by_another_name(const struct rp_cluster *cluster,
                                                    uint64_t start) {
    for (uint32_t i = 0; i < cluster->server_count; i++) {
        for (uint32_t k = 0; k < MAX_INSTANCES; k++) {
            const struct instance *one = &cluster->servers[i].instances[k];
            if (one->start == start && one->heard_in_full && one->system != 0) {
                return one;
            }
        }
    }
    return NULL;
}

struct instance *lineage_instance(const struct rp_cluster *cluster, struct server *server,
                                  uint64_t start) {
    struct instance *oldest = NULL;
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        struct instance *instance = &server->instances[i];
        if (instance->start == start) {
            return instance;
        }
        if (instance != server->instance &&
            (oldest == NULL || instance->used_event < oldest->used_event)) {
            oldest = instance;
        }
    }
    const struct instance *known = known_by_another_name(cluster, start);
    *oldest = (struct instance){.start = start,
                                .system = known != NULL ? known->system : 0,
                                .collation = known != NULL ? known->collation : 0,
                                .heard_in_full = known != NULL};
    return oldest;
}

void lineage_note_followed(const struct rp_cluster *cluster, struct instance *instance,
                           const struct facts *facts, uint64_t sent_event) {
    const uint32_t told = lineage_told(facts);
    const bool streams = facts->upper != 0;
    const bool contradicts = told < instance->followed.timeline && streams &&
                             !instance->followed.surely && sent_event > instance->followed.event;
    if (!facts->in_recovery || told == 0) {
        return;
    }
    if (told < instance->followed.timeline && !contradicts) {
        return;
    }
    instance->followed.surely = told == instance->followed.timeline;
    if (told != instance->followed.timeline) {
        instance->followed.timeline = told;
        instance->followed.event = cluster->event;
    }
    instance->followed.still_event = cluster->event;
}

/* The instance that was heard last to lead here, whoever has answered since; NULL: none. */
static const struct instance *last_leader(const struct server *server) {
    const struct instance *last = NULL;
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        const struct instance *one = &server->instances[i];
        if (one->led.event != 0 && (last == NULL || one->led.event > last->led.event)) {
            last = one;
        }
    }
    return last;
}

/* Which of the two counts nothing tells, neither a newer timeline nor, where they are of two
 * systems, any. */
static bool are_rivals(const struct instance *one, const struct instance *other) {
    const bool two_systems = one->system != 0 && other->system != 0 && one->system != other->system;
    return two_systems || one->led.timeline == other->led.timeline;
}

/* The other has been heard to lead as well. That both have done so by turns is remembered until it
 * is known that they are rivals: short words do not tell of which system they are. */
static void note_turns(const struct rp_cluster *cluster, struct server *server,
                       struct instance *instance, struct instance *other, uint64_t sent_event) {
    if (instance->led.event != 0 && instance->led.event < other->led.event &&
        sent_event > other->led.took_event) {
        instance->turned_with = other->start;
    }
    const bool turned =
        instance->turned_with == other->start || other->turned_with == instance->start;
    if (turned && are_rivals(instance, other)) {
        server->two_lead_ns = cluster->now_ns;
        instance->turned_with = other->turned_with = 0;
    }
}

/* It leads, and was asked after another one had said so of a time that may have been before it:
 * that time is over. Should that one say so again, they take turns. */
static void note_who_led_before(struct server *server, const struct instance *instance,
                                uint64_t sent_event) {
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        struct instance *other = &server->instances[i];
        if (other != instance && other->led.early_event != 0 &&
            sent_event > other->led.early_event) {
            other->led.event = other->led.early_event;
            other->led.early_event = 0;
        }
    }
}

void lineage_note_leader(const struct rp_cluster *cluster, struct server *server,
                         struct instance *instance, const struct facts *facts,
                         uint64_t sent_event) {
    if (facts->in_recovery) {
        instance->led.event = instance->led.early_event = 0;
        return;
    }
    instance->led.timeline = facts->upper;
    const struct instance *last = last_leader(server);
    const bool switches = last != NULL && last != instance;
    if (switches) {
        server->switched_event = cluster->event;
    } else if (sent_event > server->switched_event) {
        server->switched_event = 0;
    }
    if (last != instance) {
        instance->led.took_event = cluster->event;
    }
    if (switches && sent_event <= last->led.took_event) {
        instance->led.early_event = cluster->event;
        return; /* it may have led before that one, and not since */
    }
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        struct instance *other = &server->instances[i];
        /* Who led before everybody was to be asked anew is about to be forgotten. */
        if (other != instance && other->led.event > cluster->forget.event) {
            note_turns(cluster, server, instance, other, sent_event);
        }
    }
    instance->led.event = cluster->event;
    note_who_led_before(server, instance, sent_event);
}

bool lineage_note_late_leader(const struct rp_cluster *cluster, struct server *server,
                              const struct facts *facts, uint64_t sent_event) {
    if (facts->in_recovery || facts->instance == server->said.instance ||
        sent_event <= server->instance->led.took_event) {
        return false;
    }
    struct instance *late = lineage_instance(cluster, server, facts->instance);
    late->used_event = cluster->event;
    late->led.timeline = facts->upper;
    late->system = facts->system != 0 ? facts->system : late->system;
    if (are_rivals(late, server->instance)) {
        server->two_lead_ns = cluster->now_ns;
    } else {
        server->switched_event = cluster->event;
        late->turned_with = server->instance->start;
    }
    return true;
}

void lineage_forget(const struct rp_cluster *cluster, struct server *server) {
    if (server->two_lead_ns <= cluster->forget.ns) {
        server->two_lead_ns = 0;
    }
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        struct instance *one = &server->instances[i];
        if (one->led.event <= cluster->forget.event) {
            one->led.event = 0;
            one->turned_with = 0;
        }
        if (one->led.early_event <= cluster->forget.event) {
            one->led.early_event = 0;
        }
        if (one->followed.still_event <= cluster->forget.event) {
            one->followed.timeline = 0;
        }
    }
    if (server->instance != NULL) {
        lineage_note_followed(cluster, server->instance, &server->said, server->said_sent_event);
    }
}
