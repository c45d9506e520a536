/*
 * malformed_requests.h - requests that must be refused, and by which status: for the grammar by
 * itself and for the front with a socket.
 */
#ifndef MALFORMED_REQUESTS_H
#define MALFORMED_REQUESTS_H

#define POST "POST /echo HTTP/1.1\r\nHost: h\r\n"

static const struct {
    unsigned status;
    const char *request;
} malformed_requests[] = {
    {400, "garbage\r\n\r\n"},
    {400, "\026\003\001\002"}, /* TLS */
    {400, "GET\r\n\r\n"},
    {400, "GET /echo  HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET  /echo HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /a\fb HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /a\001b HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /a\177b HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /echo HXYZ/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1x\r\nHost: h\r\n\r\n"},
    {400, "GET /echo HTTP/11\r\nHost: h\r\n\r\n"},
    {400, "SOURCE /echo ICE/1.0\r\n\r\n"},
    {400, "G\303\211T /echo HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "G(T /echo HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "G\tT /echo HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "METHODS_OF_THIRTY_THREE_CHARACTER /echo HTTP/1.1\r\nHost: h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\n\r\n"}, /* no Host */
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost : h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\n: no name\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX: a\001b\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX: \001b\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX:\177\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\n\rX"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX:\rb\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\nX:\r\n\tfolded\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\n Host: h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\nHost: h\r\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\n\r\n"},
    {400, "GET /echo HTTP/1.1\r\nHost: h\r\n\n"},
    {400, POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"},
    {400, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
    {400, POST "Content-Length: 1, 1\r\n\r\nx"},
    {400, POST "Content-Length: -1\r\n\r\n"},
    {400, POST "Content-Length: 0x1\r\n\r\nx"},
    {400, POST "Content-Length:\r\n\r\n"},
    {400, POST "Content-Length: 99999999999999999999999\r\n\r\n"},
    {400, POST "Content-Length : 1\r\n\r\nx"},
    {400, POST "Transfer-Encoding: gzip\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked, gzip\r\n\r\n"},
    {400, POST "Transfer-Encoding: xchunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\nx\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx12"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\n"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\r"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rx"},
    {400, POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n"},
    {400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {413, POST "Content-Length: 65537\r\n\r\n"},
    {413, POST "Content-Length: 18446744073709551604\r\n\r\n"},
    {413, POST "Transfer-Encoding: chunked\r\n\r\n10001\r\n"},
    {413, POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n10000\r\n"},
    {505, "GET /echo\r\n"},
    {505, "GET /echo HTTP/0.9\r\nHost: h\r\n\r\n"},
    {505, "GET /echo HTTP/1.2\r\nHost: h\r\n\r\n"},
    {505, "GET /echo HTTP/1.9\r\nHost: h\r\n\r\n"},
    {505, "GET /echo HTTP/3.0\r\nHost: h\r\n\r\n"},
    {505, "GET /echo HTTP/2.0\r\nHost: h\r\n\r\n"},
};

#define MALFORMED_REQUESTS ((int)(sizeof(malformed_requests) / sizeof(malformed_requests[0])))

#endif
