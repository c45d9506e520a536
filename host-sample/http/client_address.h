/*
 * client_address.h - who is at the other end of a connection. [thread-safe]
 */
#ifndef HTTP_CLIENT_ADDRESS_H
#define HTTP_CLIENT_ADDRESS_H

#define HTTP_CLIENT_BYTES 64 /* "[ffff:...]:65535" and a NUL */

/* "127.0.0.1:40312", "[::1]:40312"; "" if it is not known any more. One system call. */
void http_client_print(int fd, char text[HTTP_CLIENT_BYTES]);

#endif
