/*
 * notify.c - one datagram; libsystemd would be a large dependency for that.
 */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The path of a socket, or, after an @, its name in the abstract namespace. */
static socklen_t address_of(const char *name, struct sockaddr_un *address) {
    size_t length = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length < 2 || length >= sizeof address->sun_path || (name[0] != '/' && name[0] != '@')) {
        return 0;
    }
    memcpy(address->sun_path, name, length);
    if (name[0] == '@') {
        address->sun_path[0] = '\0';
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void service_notify(struct log *log, const char *state) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (name == NULL) {
        return;
    }
    errno = EINVAL;
    socklen_t length = address_of(name, &address);
    int fd = length > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0 ||
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0) {
        const struct log_field fields[] = {LOG_TEXT("error", strerror(errno)), LOG_END};
        log_write(log, LOG_LEVEL_ERROR, "cannot notify the service manager", fields);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}
