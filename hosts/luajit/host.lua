#!/usr/bin/luajit
-- host.lua - a whole host in LuaJIT: blocking, two servers, one row a read, libpq by FFI.
--
--     luajit hosts/luajit/host.lua PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]
--
-- Reads the column "value" of the row of TABLE with that "id" wherever the policy sends the read. Says of each ID what
-- has become of it, and which WAL position the answer is from. Without IDs they are read from standard input, one a line,
-- each with a position that it must not be behind, or without.
--
-- read_policy.h is the manual. Its declarations are taken from it as the compiler prints them, at the start; a host that
-- has no compiler ships what that has printed.

local ffi = require("ffi")
local C = ffi.C

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local printed = assert(io.popen("echo '#include <read_policy.h>' | cc -E -P -DRP_DECLARATIONS_ONLY -I '"
    .. here .. "/../../plugin' -x c -"))
ffi.cdef(printed:read("*a"))
printed:close()

ffi.cdef [[
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

struct pollfd { int fd; short events, revents; };
int poll(struct pollfd *sockets, unsigned long count, int timeout_ms);
struct timespec { long tv_sec, tv_nsec; };
int clock_gettime(int clock, struct timespec *now);
int getentropy(void *bytes, size_t count);
]]
local pq = ffi.load("pq.so.5")

local POLLIN, MONOTONIC, TUPLES_OK, SQLSTATE = 1, 1, 2, string.byte("C")
local NS, MS = 1000000000ULL, 1000000ULL
-- Cancelled by recovery, which may find a deadlock: worth asking again.
local CONFLICTS = { ["40001"] = true, ["40P01"] = true }
local VERDICTS = { "found", "missing", "failed", "shed" }
local AFTER = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
    .. " ELSE pg_catalog.pg_current_wal_insert_lsn() END"
-- As a replica a server that is not one shows no row, and says so.
local READ = "SELECT found.value, pg_is_in_recovery(), " .. AFTER .. ", found.id IS NOT NULL"
    .. " FROM (SELECT) AS one LEFT JOIN %s AS found ON found.id = $1%s"
local GUARD = " AND (SELECT pg_is_in_recovery())"
local SETTINGS = "-c default_transaction_isolation=read\\ committed -c statement_timeout=1000"

local function sized(name)
    return ffi.new(name, { struct_size = ffi.sizeof(name) })
end

local clock = ffi.new("struct timespec")
local function now_ns()
    C.clock_gettime(MONOTONIC, clock)
    return ffi.cast("uint64_t", clock.tv_sec) * NS + ffi.cast("uint64_t", clock.tv_nsec)
end

local random = ffi.new("uint64_t[1]")
local function entropy()
    assert(C.getentropy(random, 8) == 0)
    return random[0]
end

local function sleep_until(ns)
    local now = now_ns()
    if ns > now then
        C.poll(nil, 0, tonumber((ns - now) / MS) + 1)
    end
end

-- ---- servers, and how a row is read from them -------------------------------------------------------------------

local function new_server(conninfo)
    return { conninfo = conninfo, link = nil, dial_ns = 0ULL } -- not dialled before then
end

local function hang_up(server)
    if server.link then
        pq.PQfinish(server.link)
        server.link = nil
    end
end

-- Dialling a silent server holds all reads up: it is dialled again after four times as long.
local function is_connected(server)
    if server.link and pq.PQstatus(server.link) ~= 0 then
        hang_up(server)
    end
    local now = now_ns()
    if not server.link and now >= server.dial_ns then
        local names = ffi.new("const char *[4]", "dbname", "connect_timeout", "options", nil)
        local values = ffi.new("const char *[4]", server.conninfo, "2", SETTINGS, nil)
        server.link = pq.PQconnectdbParams(names, values, 1)
        if pq.PQstatus(server.link) ~= 0 then
            server.dial_ns = now_ns() + 4 * (now_ns() - now)
            io.stderr:write(ffi.string(pq.PQerrorMessage(server.link)))
            hang_up(server)
        end
    end
    return server.link ~= nil
end

-- So many columns of one row, or nil; server.conflict is set if that is for a conflict. A server that says nothing until
-- limit_ns is hung up on.
local function ask(server, limit_ns, count, sql, id)
    local values = ffi.new("const char *[1]", { id })
    if not server.link or pq.PQsendQueryParams(server.link, sql, id and 1 or 0, nil, values, nil, nil, 0) == 0 then
        return nil
    end
    local answer = ffi.new("struct pollfd", { fd = pq.PQsocket(server.link), events = POLLIN })
    while pq.PQisBusy(server.link) ~= 0 do
        local now = now_ns()
        local silent = now >= limit_ns
        if silent or C.poll(answer, 1, tonumber((limit_ns - now) / MS) + 1) > 0
            and pq.PQconsumeInput(server.link) == 0 then
            hang_up(server)
            server.dial_ns = silent and now_ns() + 2 * NS or server.dial_ns
            return nil
        end
    end
    local result = pq.PQgetResult(server.link)
    local columns
    if pq.PQresultStatus(result) == TUPLES_OK and pq.PQntuples(result) == 1 then
        columns = {}
        for column = 0, count - 1 do
            columns[column + 1] = pq.PQgetisnull(result, 0, column) == 0
                and ffi.string(pq.PQgetvalue(result, 0, column)) or nil
        end
    end
    local sqlstate = pq.PQresultErrorField(result, SQLSTATE)
    server.conflict = server.conflict or sqlstate ~= nil and CONFLICTS[ffi.string(sqlstate)]
    while result ~= nil do
        pq.PQclear(result)
        result = pq.PQgetResult(server.link)
    end
    return columns
end

-- ---- the host ---------------------------------------------------------------------------------------------------

local Host = {}
Host.__index = Host

function Host.open(plugin, set, replica, primary, name)
    local host = setmetatable({ calls = plugin.cluster, servers = { [0] = new_server(replica), new_server(primary) },
        sql = { [0] = READ:format(name, GUARD), READ:format(name, "") } }, Host)
    local options = sized("struct rp_cluster_options")
    options.max_servers, options.max_reads, options.now_ns, options.seed = 2, 1, now_ns(), entropy()
    local cluster, err = ffi.new("struct rp_cluster *[1]"), ffi.new("char[8192]")
    assert(host.calls.open(set, options, cluster, err, 8192) == C.RP_OK, ffi.string(err))
    host.cluster = cluster[0]
    host.calls.server_set(host.cluster, 0, "replica", C.RP_EXPECT_REPLICA, C.RP_SERVER_ON, now_ns())
    host.calls.server_set(host.cluster, 1, "primary", C.RP_EXPECT_PRIMARY, C.RP_SERVER_ON, now_ns())
    host:run(nil)
    return host
end

-- Does what the action says, in one transaction, the question before the read; gives outcome, before, after. A connection
-- that was kept may have been lost long ago, which says nothing of its server: all of it is asked again on a new one.
function Host:act(action, id)
    local server, limit = self.servers[action.server], action.limit_ns
    local kept = server.link ~= nil and pq.PQstatus(server.link) == 0
    if not is_connected(server) then
        return C.RP_NOT_SENT
    end
    local text = action.text ~= nil and ffi.string(action.text) or nil
    local before, row
    server.conflict = false
    ask(server, limit, 0, "BEGIN")
    if text then
        before = ask(server, limit, 1, text)
    end
    if action.kind == C.RP_ACTION_READ then
        row = ask(server, limit, 4, self.sql[action.target], id)
    end
    ask(server, limit, 0, "COMMIT")
    before = before and before[1]
    if action.kind == C.RP_ACTION_ASK and before then
        return C.RP_ANSWERED, before
    elseif not row and server.conflict and action.kind == C.RP_ACTION_READ then
        return C.RP_CONFLICT
    elseif not row and server.link ~= nil and pq.PQstatus(server.link) == 0 then
        return C.RP_FAILED
    elseif not row and kept and now_ns() < limit then
        return self:act(action, id)
    elseif not row then
        return C.RP_SERVER_GONE
    elseif action.target == C.RP_TARGET_REPLICA and row[2] ~= "t" then
        return C.RP_ROLE_CHANGED, before, row[3]
    end
    self.value = row[1]
    return row[4] == "t" and C.RP_FOUND or C.RP_MISSING, before, row[3] -- its value may be NULL
end

-- Until the read of that id is done; without one, until nothing is to be done and every server has been heard.
function Host:run(id)
    local action, info = sized("struct rp_action"), sized("struct rp_cluster_info")
    local wake_ns = ffi.new("uint64_t[1]")
    while true do
        if self.calls.next(self.cluster, now_ns(), action, wake_ns) == 0 then
            assert(self.calls.info(self.cluster, info) == C.RP_OK)
            if not id and info.settled == 1 then
                return nil
            end
            sleep_until(wake_ns[0])
        elseif action.kind == C.RP_ACTION_DONE then
            return action
        elseif action.kind == C.RP_ACTION_REDIAL then
            hang_up(self.servers[action.server])
        elseif action.kind ~= C.RP_ACTION_DROP then
            local outcome, before, after = self:act(action, id)
            self.calls.answer(self.cluster, action.id, outcome, before, after, now_ns())
        end
    end
end

function Host:look_up(policy, id, position)
    local request, read_id = sized("struct rp_request"), ffi.new("uint64_t[1]")
    local floor, stood = ffi.new("uint64_t[1]"), ffi.new("char[?]", 18)
    assert(not id:find("%z"), "a NUL byte in an id: to C it ends there, and is another row's")
    assert(not position or self.calls.position_parse(position, floor) == C.RP_OK, "no WAL position")
    self:run(nil) -- all that is due: where reads fail at once, nothing would ever be asked while they are under way
    request.now_ns, request.entropy, request.position = now_ns(), entropy(), floor[0]
    assert(self.calls.start(self.cluster, policy, request, 0, read_id) == C.RP_OK)
    self.value = nil
    local done = self:run(id)
    self.calls.position_print(done.position, stood)
    local value = done.verdict == C.RP_VERDICT_FOUND and " value=" .. (self.value or "") or ""
    print(("%s %s position=%s%s %s"):format(id, VERDICTS[done.verdict], ffi.string(stood), value,
        ffi.string(done.message)))
    io.stdout:flush()
end

local function main(path, ini, section, replica, primary, name, ...)
    if not name then
        io.stderr:write("usage: host.lua PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]\n")
        os.exit(2)
    end
    local library = ffi.load(path) -- in use until the end: what is collected is unloaded
    local plugin = library.read_policy_plugin_v1()
    assert(plugin ~= nil and plugin.magic == 0x5264506C and plugin.abi_major == 1
        and plugin.struct_size >= ffi.sizeof("struct rp_plugin"), path .. " is no plugin of ABI 1 with a cluster")
    local set, err = ffi.new("struct rp_set *[1]"), ffi.new("char[8192]")
    local can = C.RP_CAN_REPORT_POSITIONS + C.RP_CAN_AWAIT_POSITION
    assert(plugin.open(ini, can, set, err, 8192) == C.RP_OK, ffi.string(err))
    local policy = plugin.policy(set[0], section)
    assert(policy ~= nil, ini .. ": no section [" .. section .. "]")
    local host = Host.open(plugin, set[0], replica, primary, name)
    for _, id in ipairs({ ... }) do
        host:look_up(policy, id)
    end
    if select("#", ...) == 0 then
        for line in io.lines() do
            local id, position = line:match("^(%S+)%s*(%S*)")
            if id then
                host:look_up(policy, id, position ~= "" and position or nil)
            end
        end
    end
    hang_up(host.servers[0])
    hang_up(host.servers[1])
    host.calls.close(host.cluster)
    plugin.close(set[0])
    return library
end

main(unpack(arg))
