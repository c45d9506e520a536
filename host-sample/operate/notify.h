/*
 * notify.h - tells the service manager the service's state, as sd_notify(3) does.
 *
 * [main thread]: it reads the environment.
 */
#ifndef SERVICE_NOTIFY_H
#define SERVICE_NOTIFY_H

#include "host-sample/base/log.h"

/* Sends `state`, such as "READY=1", to the socket that $NOTIFY_SOCKET names; does nothing if it
 * names none. A failure is logged, because a manager that waits for the message would wait without
 * a reason. */
void service_notify(struct log *log, const char *state);

#endif
