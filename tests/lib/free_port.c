/*
 * free_port.c - see free_port.h.
 */
#include "free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* As in testbed.py. Below what the kernel gives to outgoing connections, so that none of them takes
 * a port between our looking and our using it. */
enum { FIRST_PORT = 23000, LAST_PORT = 31999, PORTS_EACH = 100 };

/* The block that is ours: its first port is bound, and nobody ever listens there. */
static uint16_t own_block;
static uint16_t next_in_block;

/* The socket, or -1. Servers share a port with an earlier server's connection in TIME_WAIT; who
 * bound one to keep others off it shares it with nobody. */
static int bind_to(uint16_t port, bool shared) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int on = shared;
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
                    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void take_a_block(void) {
    for (uint16_t block = FIRST_PORT; block <= LAST_PORT; block += PORTS_EACH) {
        if (bind_to(block, false) >= 0) { /* held until the program ends */
            own_block = block;
            return;
        }
    }
    fprintf(stderr, "all ports from %d to %d are other test programs'\n", FIRST_PORT, LAST_PORT);
    exit(EXIT_FAILURE);
}

uint16_t free_port(void) {
    if (own_block == 0) {
        take_a_block();
    }
    for (int tried = 1; tried < PORTS_EACH; tried++) {
        next_in_block = (uint16_t)(next_in_block % (PORTS_EACH - 1) + 1);
        const uint16_t port = (uint16_t)(own_block + next_in_block);
        const int fd = bind_to(port, true);
        if (fd >= 0) {
            close(fd);
            return port;
        }
    }
    fprintf(stderr, "none of the %d ports after %d is free\n", PORTS_EACH - 1, own_block);
    exit(EXIT_FAILURE);
}
