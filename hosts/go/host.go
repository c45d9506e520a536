// host.go - a whole host in Go: libpq and the plugin by cgo, many reads at once.
//
//	CGO_CFLAGS="-I$PWD/plugin" go build -o host hosts/go/host.go        (the folder of read_policy.h, from its root)
//	./host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]
//
// Reads the column "value" of the row of TABLE with that "id" wherever the policy sends the read. Says of each ID what has
// become of it, and which WAL position the answer is from. Without IDs they are read from standard input, one a line, each
// with a position that it must not be behind, or without.
//
// One goroutine has the cluster, and hears of requests and answers by channels; each action is a goroutine of its own with a
// connection of its server's pool, and never waits beyond the action's limit. read_policy.h is the manual.
package main

/*
#cgo LDFLAGS: -ldl -l:libpq.so.5
#include <read_policy.h>
#include <dlfcn.h>
#include <stdlib.h>

// Of libpq-fe.h, so that the server's headers are not needed.
typedef struct PGconn PGconn;
typedef struct PGresult PGresult;
PGconn *PQconnectdbParams(const char *const *names, const char *const *values, int expand);
int PQstatus(const PGconn *link);
int PQsocket(const PGconn *link);
void PQfinish(PGconn *link);
char *PQerrorMessage(const PGconn *link);
int PQsendQueryParams(PGconn *link, const char *sql, int count, const unsigned *types, const char *const *values,
                      const int *lengths, const int *formats, int format);
int PQisBusy(PGconn *link);
int PQconsumeInput(PGconn *link);
PGresult *PQgetResult(PGconn *link);
int PQresultStatus(const PGresult *result);
char *PQresultErrorField(const PGresult *result, int field);
int PQntuples(const PGresult *result);
int PQgetisnull(const PGresult *result, int row, int column);
char *PQgetvalue(const PGresult *result, int row, int column);
void PQclear(PGresult *result);
#include <poll.h>
#include <string.h>

static PGconn *dial(const char *conninfo) {
    const char *const names[] = {"dbname", "connect_timeout", "options", NULL};
    const char *const values[] = {conninfo, "2",
        "-c default_transaction_isolation=read\\ committed -c statement_timeout=1000", NULL};
    return PQconnectdbParams(names, values, 1);
}
// 1: there is something to read, 0: not in time.
static int await(PGconn *link, int ms) {
    struct pollfd answer = {.fd = PQsocket(link), .events = POLLIN};
    return poll(&answer, 1, ms);
}
static int send(PGconn *link, const char *sql, const char *id) {
    return PQsendQueryParams(link, sql, id != NULL, NULL, &id, NULL, NULL, 0);
}
// Cancelled by recovery, which may find a deadlock: worth asking again.
static int is_conflict(const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, 'C');
    return sqlstate && (strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0);
}

// Go calls no function pointers.
static const struct rp_plugin *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rp_entry_function entry = library ? (rp_entry_function)dlsym(library, RP_ENTRY_SYMBOL) : NULL;
    const struct rp_plugin *p = entry ? entry() : NULL;
    return p && p->magic == RP_PLUGIN_MAGIC && p->abi_major == RP_ABI_MAJOR && RP_HAS(p, cluster) ? p : NULL;
}
static int open_all(const struct rp_plugin *p, const char *ini, struct rp_cluster_options *options,
                    struct rp_set **set, struct rp_cluster **cluster, char *err) {
    int status = p->open(ini, RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION, set, err, RP_ERROR_BYTES);
    return status ? status : p->cluster->open(*set, options, cluster, err, RP_ERROR_BYTES);
}
static const struct rp_policy *policy(const struct rp_plugin *p, struct rp_set *set, const char *section) {
    return p->policy(set, section);
}
static void add(const struct rp_plugin *p, struct rp_cluster *c, unsigned i, const char *name, int expect, uint64_t now) {
    p->cluster->server_set(c, i, name, expect, RP_SERVER_ON, now);
}
static int settled(const struct rp_plugin *p, struct rp_cluster *c) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    return p->cluster->info(c, &info) == RP_OK && info.settled;
}
static int start(const struct rp_plugin *p, struct rp_cluster *c, const struct rp_policy *policy,
                 struct rp_request *request, uint64_t tag) {
    uint64_t read_id;
    return p->cluster->start(c, policy, request, tag, &read_id);
}
static int next(const struct rp_plugin *p, struct rp_cluster *c, uint64_t now, struct rp_action *a, uint64_t *wake) {
    return p->cluster->next(c, now, a, wake);
}
static void answer(const struct rp_plugin *p, struct rp_cluster *c, uint64_t id, int outcome, const char *before,
                   const char *after, uint64_t now) {
    p->cluster->answer(c, id, outcome, before, after, now);
}
static int parse(const struct rp_plugin *p, const char *text, uint64_t *position) {
    return p->cluster->position_parse(text, position);
}
static void print(const struct rp_plugin *p, uint64_t position, char *text) {
    p->cluster->position_print(position, text);
}
static void close_all(const struct rp_plugin *p, struct rp_set *set, struct rp_cluster *c) {
    p->cluster->close(c);
    p->close(set);
}
static const char *after_column(void) { return RP_AFTER_COLUMN; }
*/
import "C"

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unsafe"
)

const maxReads = 64

var verdicts = []string{"", "found", "missing", "failed", "shed"}

var began = time.Now()

// Monotonic, and never 0. Of this process: where several share a budget, all need the same, CLOCK_MONOTONIC.
func now() C.uint64_t { return C.uint64_t(time.Since(began)) + 1 }

func entropy() C.uint64_t {
	var bytes [8]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err)
	}
	return C.uint64_t(binary.LittleEndian.Uint64(bytes[:]))
}

// ---- servers, and how a row is read from them ------------------------------------------------------------------------

// A server's idle connections. At most maxReads and a few questions are under way, and so many connections.
type server struct {
	conninfo *C.char
	lock     sync.Mutex
	idle     []*C.PGconn
}

// A connection, and whether it was kept: one that was may have been lost long ago, which says nothing of its server.
func (s *server) take() (link *C.PGconn, kept bool) {
	s.lock.Lock()
	if n := len(s.idle); n > 0 {
		link, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.lock.Unlock()
	if link != nil {
		return link, true
	}
	if link = C.dial(s.conninfo); C.PQstatus(link) != 0 {
		fmt.Fprint(os.Stderr, C.GoString(C.PQerrorMessage(link)))
		C.PQfinish(link)
		return nil, false
	}
	return link, false
}

func (s *server) giveBack(link *C.PGconn) {
	s.lock.Lock()
	s.idle = append(s.idle, link)
	s.lock.Unlock()
}

func (s *server) hangUp() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, link := range s.idle {
		C.PQfinish(link)
	}
	s.idle = nil
}

type column struct {
	text string
	set  bool // not NULL
}

// The columns of one row; nil if there is none, maybe for a conflict. alive is false if the connection is of no use any more,
// or silent until limit.
func ask(link *C.PGconn, limit C.uint64_t, sql string, id *C.char, count int) (row []column, conflict, alive bool) {
	text := C.CString(sql)
	defer C.free(unsafe.Pointer(text))
	if C.send(link, text, id) == 0 {
		return nil, false, false
	}
	for C.PQisBusy(link) != 0 {
		at := now()
		if at >= limit || C.await(link, C.int((limit-at)/1000000+1)) > 0 && C.PQconsumeInput(link) == 0 {
			return nil, false, false
		}
	}
	result := C.PQgetResult(link)
	if C.PQresultStatus(result) == 2 && C.PQntuples(result) == 1 {
		for i := C.int(0); i < C.int(count); i++ {
			row = append(row, column{C.GoString(C.PQgetvalue(result, 0, i)), C.PQgetisnull(result, 0, i) == 0})
		}
	}
	conflict = C.is_conflict(result) != 0
	for result != nil {
		C.PQclear(result)
		result = C.PQgetResult(link)
	}
	return row, conflict, C.PQstatus(link) == 0
}

// ---- actions, each in a goroutine --------------------------------------------------------------------------------------

type action struct {
	kind, target C.int32_t
	id, limit    C.uint64_t
	server       int
	text         string
}

type answer struct {
	id            C.uint64_t
	outcome       C.int
	before, after column
	tag           C.uint64_t
	value         string
}

type host struct {
	plugin  *C.struct_rp_plugin
	cluster *C.struct_rp_cluster
	policy  *C.struct_rp_policy
	servers [2]*server
	sql     [2]string // by rp_target
	answers chan answer
}

// Does what the action says, in one transaction, the question before the read; again, on a new connection, if one that was
// kept turns out to be lost.
func (h *host) act(a action, row string) (said answer) {
	said.id, said.outcome = a.id, C.RP_NOT_SENT
	server := h.servers[a.server]
	link, kept := server.take()
	if link == nil {
		return said
	}
	id := C.CString(row)
	defer C.free(unsafe.Pointer(id))
	var before, found []column
	_, conflict, alive := ask(link, a.limit, "BEGIN", nil, 0)
	if alive && !conflict && a.text != "" {
		before, conflict, alive = ask(link, a.limit, a.text, nil, 1)
	}
	if alive && !conflict && a.kind == C.RP_ACTION_READ {
		found, conflict, alive = ask(link, a.limit, h.sql[a.target], id, 4)
	}
	if alive {
		_, _, alive = ask(link, a.limit, "COMMIT", nil, 0)
	}
	if !alive {
		C.PQfinish(link)
		said.outcome = C.RP_SERVER_GONE
		if kept && now() < a.limit {
			server.hangUp() // the others are as old
			return h.act(a, row)
		}
		return said
	}
	server.giveBack(link)
	if before != nil {
		said.before = before[0]
	}
	switch {
	case a.kind == C.RP_ACTION_ASK && before != nil:
		said.outcome = C.RP_ANSWERED
	case conflict && a.kind == C.RP_ACTION_READ:
		said.outcome = C.RP_CONFLICT
	case found == nil:
		said.outcome = C.RP_FAILED
	case a.target == C.RP_TARGET_REPLICA && found[1].text != "t":
		said.outcome = C.RP_ROLE_CHANGED
	case found[3].text == "t": // its value may be NULL
		said.outcome, said.value, said.after = C.RP_FOUND, found[0].text, found[2]
	default:
		said.outcome, said.after = C.RP_MISSING, found[2]
	}
	return said
}

// ---- the goroutine that has the cluster ----------------------------------------------------------------------------------

type request struct{ row, position string }

// A read under way: the value of the last of its answers that had one.
type read struct {
	row, value string
	action     C.uint64_t
}

// Until there are no more requests, and all that came are answered.
func (h *host) run(requests <-chan request) {
	reads, tag := map[C.uint64_t]*read{}, C.uint64_t(0)
	for requests != nil || len(reads) > 0 {
		wake := h.step(reads)
		admitted := requests
		if len(reads) >= maxReads || C.settled(h.plugin, h.cluster) == 0 {
			admitted = nil
		}
		select {
		case r, ok := <-admitted:
			if !ok {
				requests = nil
				continue
			}
			tag++
			if h.begin(r, tag) {
				reads[tag] = &read{row: r.row}
			}
		case a := <-h.answers:
			h.hear(a, reads)
		case <-time.After(wake):
		}
	}
}

func (h *host) begin(r request, tag C.uint64_t) bool {
	ask := C.struct_rp_request{now_ns: now(), entropy: entropy()}
	ask.struct_size = C.uint32_t(unsafe.Sizeof(ask))
	position := C.CString(r.position)
	defer C.free(unsafe.Pointer(position))
	// To C a text ends with a NUL byte: it would be another row.
	if strings.IndexByte(r.row, 0) >= 0 || r.position != "" && C.parse(h.plugin, position, &ask.position) != C.RP_OK ||
		C.start(h.plugin, h.cluster, h.policy, &ask, tag) != C.RP_OK {
		fmt.Printf("%s failed cannot be looked up\n", r.row)
		return false
	}
	return true
}

// Does what the cluster says, until it says nothing before some time.
func (h *host) step(reads map[C.uint64_t]*read) time.Duration {
	var a C.struct_rp_action
	a.struct_size = C.uint32_t(unsafe.Sizeof(a))
	var wake C.uint64_t
	for C.next(h.plugin, h.cluster, now(), &a, &wake) != 0 {
		switch a.kind {
		case C.RP_ACTION_ASK, C.RP_ACTION_READ:
			todo := action{a.kind, a.target, a.id, a.limit_ns, int(a.server), ""}
			if a.text != nil {
				todo.text = C.GoString(a.text)
			}
			row := ""
			if under := reads[a.tag]; a.kind == C.RP_ACTION_READ && under != nil {
				row, under.action = under.row, a.id
			}
			go func(tag C.uint64_t) {
				said := h.act(todo, row)
				said.tag = tag
				h.answers <- said
			}(a.tag)
		case C.RP_ACTION_REDIAL:
			h.servers[a.server].hangUp()
		case C.RP_ACTION_DONE:
			h.done(&a, reads[a.tag])
			delete(reads, a.tag)
		}
	}
	if at := now(); wake > at {
		return time.Duration(min(wake-at, C.uint64_t(time.Hour)))
	}
	return 0
}

func (h *host) done(a *C.struct_rp_action, r *read) {
	var stood [C.RP_POSITION_BYTES]C.char
	C.print(h.plugin, a.position, &stood[0])
	value := ""
	if a.verdict == C.RP_VERDICT_FOUND {
		value = " value=" + r.value
	}
	fmt.Printf("%s %s position=%s%s %s\n", r.row, verdicts[a.verdict], C.GoString(&stood[0]), value, C.GoString(a.message))
}

func (h *host) hear(a answer, reads map[C.uint64_t]*read) {
	// A late answer's row is not this read's any more.
	if under := reads[a.tag]; under != nil && under.action == a.id && a.outcome == C.RP_FOUND {
		under.value = a.value
	}
	before, after := cText(a.before), cText(a.after)
	C.answer(h.plugin, h.cluster, a.id, a.outcome, before, after, now())
	C.free(unsafe.Pointer(before))
	C.free(unsafe.Pointer(after))
}

func cText(c column) *C.char {
	if !c.set {
		return nil
	}
	return C.CString(c.text)
}

func min(a, b C.uint64_t) C.uint64_t {
	if a < b {
		return a
	}
	return b
}

// ---- the program -----------------------------------------------------------------------------------------------------

func open(words []string) (*host, *C.struct_rp_set, error) {
	h := &host{answers: make(chan answer, 2*maxReads)}
	if h.plugin = C.load(C.CString(words[0])); h.plugin == nil {
		return nil, nil, fmt.Errorf("%s: not a plugin of ABI 1 with a cluster: %s", words[0], C.GoString(C.dlerror()))
	}
	options := C.struct_rp_cluster_options{max_servers: 2, max_reads: maxReads, now_ns: now(), seed: entropy()}
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	var set *C.struct_rp_set
	var err [C.RP_ERROR_BYTES]C.char
	if C.open_all(h.plugin, C.CString(words[1]), &options, &set, &h.cluster, &err[0]) != C.RP_OK {
		return nil, nil, fmt.Errorf("%s", C.GoString(&err[0]))
	}
	if h.policy = C.policy(h.plugin, set, C.CString(words[2])); h.policy == nil {
		return nil, nil, fmt.Errorf("%s: no section [%s]", words[1], words[2])
	}
	// As a replica a server that is not one shows no row, and says so.
	form := "SELECT found.value, pg_is_in_recovery(), " + C.GoString(C.after_column()) + ", found.id IS NOT NULL" +
		" FROM (SELECT) AS one LEFT JOIN " + words[5] + " AS found ON found.id = $1%s"
	h.sql = [2]string{fmt.Sprintf(form, " AND (SELECT pg_is_in_recovery())"), fmt.Sprintf(form, "")}
	h.servers = [2]*server{{conninfo: C.CString(words[3])}, {conninfo: C.CString(words[4])}}
	C.add(h.plugin, h.cluster, 0, C.CString("replica"), C.RP_EXPECT_REPLICA, now())
	C.add(h.plugin, h.cluster, 1, C.CString("primary"), C.RP_EXPECT_PRIMARY, now())
	return h, set, nil
}

func main() {
	words := os.Args[1:]
	if len(words) < 6 {
		fmt.Fprintln(os.Stderr, "usage: host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]")
		os.Exit(2)
	}
	h, set, err := open(words)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	requests := make(chan request)
	go func() {
		defer close(requests)
		for _, id := range words[6:] {
			requests <- request{id, ""}
		}
		if len(words) > 6 {
			return
		}
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			if parts := append(strings.Fields(lines.Text()), ""); parts[0] != "" {
				requests <- request{parts[0], parts[1]}
			}
		}
		if err := lines.Err(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}()
	h.run(requests)
	C.close_all(h.plugin, set, h.cluster)
}
