/*
 * front_thread.h - a front in its own thread, with a handler that does what the target says.
 *
 *   /echo...  answers with method, target and headers, one a line: "name seen value"
 *   /wait...  waits for front_thread_answer
 *   /watch... the same, and watches its client
 *   /big...   answers with BIG_BODY_BYTES of front_thread_big_byte
 *   /close    answers and closes
 *   /failed   answers with a body that ran out of memory
 *   /empty    answers without a body
 *   /later... answers by itself in a later round of the loop
 */
#ifndef FRONT_THREAD_H
#define FRONT_THREAD_H

#include "host-sample/http/front.h"

#define BIG_BODY_BYTES 5000000

struct front_thread;

/* Loopback, a free port, generous limits; a test changes what it needs. */
struct http_front_options front_thread_options(void);

struct front_thread *front_thread_start(const struct http_front_options *options);
/* Frees the front and joins the thread. Returns how many exchanges were reported as gone, in all.
 */
unsigned front_thread_stop(struct front_thread *thread);

uint16_t front_thread_port(const struct front_thread *thread);
struct http_front_counters front_thread_counters(const struct front_thread *thread);
char front_thread_big_byte(size_t at);

/* Each runs in the front's thread and has ended when it returns. */
unsigned front_thread_answer(struct front_thread *thread); /* all that wait; returns how many */
void front_thread_watch(struct front_thread *thread);      /* all that wait */
void front_thread_drain(struct front_thread *thread);
/* Sends on `fd` first, so that the loop has no chance to look at the other end before it drains.
 */
void front_thread_drain_after_send(struct front_thread *thread, int fd, const char *text);
bool front_thread_is_idle(struct front_thread *thread);

/* Wait until that many requests have been handed over, or exchanges reported as gone, in all. */
void front_thread_await_requests(struct front_thread *thread, unsigned count);
void front_thread_await_gone(struct front_thread *thread, unsigned count);
unsigned front_thread_requests(const struct front_thread *thread);
unsigned front_thread_gone(const struct front_thread *thread);

#endif
