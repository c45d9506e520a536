/*
 * event_queue.c - a binary heap in an array: the children of place i are at 2i + 1 and 2i + 2.
 */
#include "event_queue.h"

#include <stdlib.h>

static bool is_before(const struct sim_event *a, const struct sim_event *b) {
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static bool grow(struct event_queue *queue) {
    size_t capacity = queue->capacity == 0 ? 1024 : queue->capacity * 2;
    struct sim_event *heap = realloc(queue->heap, capacity * sizeof *heap);
    if (heap == NULL) {
        queue->out_of_memory = true;
        return false;
    }
    queue->heap = heap;
    queue->capacity = capacity;
    return true;
}

void event_queue_put(struct event_queue *queue, const struct sim_event *event) {
    if (queue->count == queue->capacity && !grow(queue)) {
        return;
    }
    struct sim_event added = *event;
    added.order = queue->put++;
    size_t place = queue->count++;
    while (place > 0 && is_before(&added, &queue->heap[(place - 1) / 2])) {
        queue->heap[place] = queue->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    queue->heap[place] = added;
}

bool event_queue_take(struct event_queue *queue, struct sim_event *event) {
    if (queue->count == 0) {
        return false;
    }
    *event = queue->heap[0];
    const struct sim_event last = queue->heap[--queue->count];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < queue->count && is_before(&queue->heap[child + 1], &queue->heap[child])) {
            child++;
        }
        if (child >= queue->count || !is_before(&queue->heap[child], &last)) {
            break;
        }
        queue->heap[place] = queue->heap[child];
        place = child;
    }
    queue->heap[place] = last;
    return true;
}

void event_queue_free(struct event_queue *queue) {
    free(queue->heap);
    *queue = (struct event_queue){0};
}
