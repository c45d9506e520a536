/*
 * client_address.c - see client_address.h.
 */
#include "client_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

void http_client_print(int fd, char text[HTTP_CLIENT_BYTES]) {
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN];
    char port[8];

    text[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &length) == 0 &&
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        (void)snprintf(text, HTTP_CLIENT_BYTES, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                       host, port);
    }
}
