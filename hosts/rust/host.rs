//! host.rs - a whole host in Rust: blocking, two servers, one row a read; the plugin by dlopen, libpq by extern "C", no crates.
//!
//!     rustc -O -o host hosts/rust/host.rs -C link-arg=-l:libpq.so.5
//!     ./host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]
//!
//! Reads the column "value" of the row of TABLE with that "id" wherever the policy sends the read. Says of each ID what has
//! become of it, and which WAL position the answer is from. Without IDs they are read from standard input, one a line, each
//! with a position that it must not be behind, or without.
//!
//! What the plugin needs is bound here by hand from plugin/read_policy.h, whose comments are the manual.

use std::ffi::{c_void, CStr, CString};
use std::io::{BufRead, Read, Write};
use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_ulong};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

// ---- read_policy.h ------------------------------------------------------------------------------------------------------

const MAGIC: u32 = 0x5264506C;
const ABI_MAJOR: u32 = 1;
const ERROR_BYTES: usize = 8192;
const POSITION_BYTES: usize = 18;
const CAN_REPORT_AND_AWAIT_POSITIONS: u32 = 3;
const ACTION_READ: i32 = 1;
const ACTION_ASK: i32 = 2;
const ACTION_DONE: i32 = 4;
const ACTION_REDIAL: i32 = 5;
const FOUND: i32 = 0;
const MISSING: i32 = 2;
const FAILED: i32 = 3;
const ANSWERED: i32 = 16;
const SERVER_GONE: i32 = 17;
const ROLE_CHANGED: i32 = 18;
const NOT_SENT: i32 = 19;
const CONFLICT: i32 = 20;
const VERDICT_FOUND: i32 = 1;
const VERDICTS: [&str; 5] = ["", "found", "missing", "failed", "shed"];
const REPLICA: usize = 0; // target, and index of our server
const AFTER_COLUMN: &str = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                            ELSE pg_catalog.pg_current_wal_insert_lsn() END";

#[repr(C)]
#[derive(Default)]
struct Request {
    struct_size: u32,
    flags: u32,
    replicas: u32,
    reserved: u32,
    now_ns: u64,
    deadline_ns: u64,
    entropy: u64,
    position: u64,
}

#[repr(C)]
#[derive(Default)]
struct Options {
    struct_size: u32,
    flags: u32,
    max_servers: u32,
    max_reads: u32,
    poll_ms: u32,
    timeout_ms: u32,
    now_ns: u64,
    seed: u64,
}

#[repr(C)]
struct Action {
    struct_size: u32,
    kind: i32,
    id: u64,
    tag: u64,
    read_id: u64,
    server: u32,
    flags: u32,
    target: i32,
    verdict: i32,
    limit_ns: u64,
    text: *const c_char,
    served_by: i32,
    log_level: i32,
    counted: i32,
    reserved: u32,
    failed_during: *const c_char,
    message: *const c_char,
    reason: *const c_char,
    position: u64,
}

#[repr(C)]
#[derive(Default)]
struct Info {
    struct_size: u32,
    settled: u32,
    split: u32,
    primary: u32,
    primary_answers: u32,
    timeline: u32,
    reads: u32,
    replicas: u32,
    system: u64,
    replicas_out: u32,
    forgetting: u32,
}

// Sets, policies and clusters are opaque pointers that the host only hands back; what it does not call is one too.
type Opaque = *mut c_void;
type Unused = *const c_void;

#[repr(C)]
struct Calls {
    struct_size: u32,
    reserved: u32,
    open: unsafe extern "C" fn(Opaque, *const Options, *mut Opaque, *mut c_char, u32) -> i32,
    close: unsafe extern "C" fn(Opaque) -> u32,
    server_set: unsafe extern "C" fn(Opaque, u32, *const c_char, i32, i32, u64) -> i32,
    server: Unused,
    info: unsafe extern "C" fn(Opaque, *mut Info) -> i32,
    prompt: Unused,
    forget_history: Unused,
    start: unsafe extern "C" fn(Opaque, Opaque, *const Request, u64, *mut u64) -> i32,
    forget: Unused,
    next: unsafe extern "C" fn(Opaque, u64, *mut Action, *mut u64) -> i32,
    answer: unsafe extern "C" fn(Opaque, u64, i32, *const c_char, *const c_char, u64),
    notice: Unused,
    metrics: Unused,
    position_parse: unsafe extern "C" fn(*const c_char, *mut u64) -> i32,
    position_print: unsafe extern "C" fn(u64, *mut c_char),
}

#[repr(C)]
struct Plugin {
    magic: u32,
    struct_size: u32,
    abi_major: u32,
    abi_minor: u32,
    name: *const c_char,
    version: *const c_char,
    open: unsafe extern "C" fn(*const c_char, u32, *mut Opaque, *mut c_char, u32) -> i32,
    reload: Unused,
    policy: unsafe extern "C" fn(Opaque, *const c_char) -> Opaque,
    begin_next_metrics_describe: [Unused; 4],
    close: unsafe extern "C" fn(Opaque),
    section_to_reload_text: [Unused; 9],
    cluster: *const Calls,
}

// ---- libpq and libc -----------------------------------------------------------------------------------------------------

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}
const POLLIN: i16 = 1;
const RTLD_NOW: c_int = 2;
const CONNECTION_OK: c_int = 0;
const TUPLES_OK: c_int = 2;
const SQLSTATE: c_int = b'C' as c_int;
const CONFLICTS: [&str; 2] = ["40001", "40P01"]; // cancelled by recovery, which may find a deadlock: worth asking again

extern "C" {
    fn dlopen(path: *const c_char, mode: c_int) -> Opaque;
    fn dlsym(library: Opaque, name: *const c_char) -> Opaque;
    fn poll(sockets: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    fn PQconnectdbParams(names: *const *const c_char, values: *const *const c_char, expand: c_int) -> Opaque;
    fn PQstatus(link: Opaque) -> c_int;
    fn PQsocket(link: Opaque) -> c_int;
    fn PQfinish(link: Opaque);
    fn PQerrorMessage(link: Opaque) -> *const c_char;
    fn PQsendQueryParams(link: Opaque, sql: *const c_char, count: c_int, types: *const u32, values: *const *const c_char,
                         lengths: *const c_int, formats: *const c_int, format: c_int) -> c_int;
    fn PQisBusy(link: Opaque) -> c_int;
    fn PQconsumeInput(link: Opaque) -> c_int;
    fn PQgetResult(link: Opaque) -> Opaque;
    fn PQresultStatus(result: Opaque) -> c_int;
    fn PQresultErrorField(result: Opaque, field: c_int) -> *const c_char;
    fn PQntuples(result: Opaque) -> c_int;
    fn PQgetisnull(result: Opaque, row: c_int, column: c_int) -> c_int;
    fn PQgetvalue(result: Opaque, row: c_int, column: c_int) -> *const c_char;
    fn PQclear(result: Opaque);
}

/// The text must have no NUL byte; arguments and answers have none.
fn c_text(text: &str) -> CString {
    CString::new(text).expect("a text without NUL bytes")
}

/// Empty for NULL.
fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn entropy() -> u64 {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("/dev/urandom");
    u64::from_ne_bytes(bytes)
}

// ---- servers, and how a row is read from them ---------------------------------------------------------------------------

/// Monotonic, and never 0. Of this process: where several share a budget, all need the same, CLOCK_MONOTONIC.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64 + 1
    }
}

type Row = Vec<Option<String>>;

struct Server {
    conninfo: CString,
    link: Opaque,
    clock: Clock,
    dial_ns: u64,   // not before then
    conflict: bool, // a statement of the action under way was cancelled by one
}

impl Server {
    fn new(conninfo: &str, clock: Clock) -> Server {
        Server { conninfo: c_text(conninfo), link: null_mut(), clock, dial_ns: 0, conflict: false }
    }

    fn hang_up(&mut self) {
        unsafe { PQfinish(self.link) };
        self.link = null_mut();
    }

    fn is_connected(&self) -> bool {
        unsafe { PQstatus(self.link) == CONNECTION_OK }
    }

    /// Dialling a silent server holds all reads up: it is dialled again after four times as long.
    fn connect(&mut self) -> bool {
        let now = self.clock.now();
        if !self.is_connected() && now >= self.dial_ns {
            self.hang_up();
            let settings = c_text("-c default_transaction_isolation=read\\ committed -c statement_timeout=1000");
            let words = ["dbname", "connect_timeout", "options", "2"].map(c_text);
            let names = [words[0].as_ptr(), words[1].as_ptr(), words[2].as_ptr(), null()];
            let values = [self.conninfo.as_ptr(), words[3].as_ptr(), settings.as_ptr(), null()];
            self.link = unsafe { PQconnectdbParams(names.as_ptr(), values.as_ptr(), 1) };
            if !self.is_connected() {
                self.dial_ns = self.clock.now() + 4 * (self.clock.now() - now);
                eprint!("{}", text_of(unsafe { PQerrorMessage(self.link) }));
            }
        }
        self.is_connected()
    }

    /// So many columns of one row. A server that says nothing until limit_ns is hung up on.
    fn ask(&mut self, limit_ns: u64, columns: c_int, sql: &str, id: Option<&CStr>) -> Option<Row> {
        let sql = c_text(sql);
        let value = id.map_or(null(), CStr::as_ptr);
        let count = c_int::from(id.is_some());
        unsafe {
            if PQsendQueryParams(self.link, sql.as_ptr(), count, null(), &value, null(), null(), 0) == 0 {
                return None;
            }
            while PQisBusy(self.link) != 0 {
                let now = self.clock.now();
                let mut answer = PollFd { fd: PQsocket(self.link), events: POLLIN, revents: 0 };
                if now >= limit_ns {
                    self.hang_up();
                    self.dial_ns = now + 2_000_000_000;
                    return None;
                }
                let ms = (limit_ns - now) / 1_000_000 + 1;
                if poll(&mut answer, 1, ms.min(60_000) as c_int) > 0 && PQconsumeInput(self.link) == 0 {
                    self.hang_up();
                    return None;
                }
            }
            let mut row = None;
            let mut result = PQgetResult(self.link);
            if PQresultStatus(result) == TUPLES_OK && PQntuples(result) == 1 {
                row = Some((0..columns).map(|i| match PQgetisnull(result, 0, i) {
                    0 => Some(text_of(PQgetvalue(result, 0, i))),
                    _ => None,
                }).collect());
            }
            self.conflict |= CONFLICTS.contains(&text_of(PQresultErrorField(result, SQLSTATE)).as_str());
            while !result.is_null() {
                PQclear(result);
                result = PQgetResult(self.link);
            }
            row
        }
    }
}

// ---- the host -----------------------------------------------------------------------------------------------------------

struct Host {
    plugin: &'static Plugin,
    calls: &'static Calls,
    set: Opaque,
    policy: Opaque,
    cluster: Opaque,
    servers: [Server; 2],
    sql: [String; 2], // by target
    value: String,    // of the read under way
    clock: Clock,
}

/// An answer: the outcome, what the question said, and the position after the read.
type Answer = (i32, Option<String>, Option<String>);

impl Host {
    fn open(words: &[String]) -> Result<Host, String> {
        let clock = Clock(Instant::now());
        let plugin = load(&words[0])?;
        let calls = unsafe { &*plugin.cluster };
        let (mut set, mut cluster) = (null_mut(), null_mut());
        let mut err = vec![0u8; ERROR_BYTES];
        let err_text = err.as_mut_ptr() as *mut c_char;
        let options = Options { struct_size: size_of::<Options>() as u32, max_servers: 2, max_reads: 1,
                                now_ns: clock.now(), seed: entropy(), ..Default::default() };
        let policy = unsafe {
            if (plugin.open)(c_text(&words[1]).as_ptr(), CAN_REPORT_AND_AWAIT_POSITIONS, &mut set, err_text,
                             ERROR_BYTES as u32) != 0
                || (calls.open)(set, &options, &mut cluster, err_text, ERROR_BYTES as u32) != 0 {
                return Err(text_of(err_text));
            }
            (plugin.policy)(set, c_text(&words[2]).as_ptr())
        };
        if policy.is_null() {
            return Err(format!("{}: no section [{}]", words[1], words[2]));
        }
        // As a replica a server that is not one shows no row, and says so.
        let sql = [" AND (SELECT pg_is_in_recovery())", ""].map(|guard| format!(
            "SELECT found.value, pg_is_in_recovery(), {}, found.id IS NOT NULL FROM (SELECT) AS one LEFT JOIN {} AS found \
             ON found.id = $1{}", AFTER_COLUMN, words[5], guard));
        let servers = [Server::new(&words[3], clock), Server::new(&words[4], clock)];
        let mut host = Host { plugin, calls, set, policy, cluster, servers, sql, value: String::new(), clock };
        for (index, (name, expect)) in [("replica", 2), ("primary", 1)].iter().enumerate() {
            unsafe { (calls.server_set)(cluster, index as u32, c_text(name).as_ptr(), *expect, 1, clock.now()) };
        }
        host.run(None);
        Ok(host)
    }

    /// Does what the action says, in one transaction, the question before the read. A connection that was kept may have
    /// been lost long ago, which says nothing of its server: all of it is asked again on a new one.
    fn act(&mut self, action: &Action, id: &CStr) -> Answer {
        let (server, limit) = (&mut self.servers[action.server as usize], action.limit_ns);
        let kept = server.is_connected();
        if !server.connect() {
            return (NOT_SENT, None, None);
        }
        server.conflict = false;
        server.ask(limit, 0, "BEGIN", None);
        let before = if action.text.is_null() { None } else { server.ask(limit, 1, &text_of(action.text), None) };
        let row = match action.kind {
            ACTION_READ => server.ask(limit, 4, &self.sql[action.target as usize], Some(id)),
            _ => None,
        };
        server.ask(limit, 0, "COMMIT", None);
        let asked = before.is_some();
        let before = before.and_then(|mut row| row.pop()).flatten();
        match row {
            None if action.kind == ACTION_ASK && asked => (ANSWERED, before, None),
            None if action.kind == ACTION_READ && server.conflict => (CONFLICT, None, None),
            None if server.is_connected() => (FAILED, None, None),
            None if kept && self.clock.now() < limit => self.act(action, id),
            None => (SERVER_GONE, None, None),
            Some(row) if action.target as usize == REPLICA && row[1].as_deref() != Some("t") =>
                (ROLE_CHANGED, before, row[2].clone()),
            Some(row) => {
                self.value = row[0].clone().unwrap_or_default();
                // Its value may be NULL.
                (if row[3].as_deref() == Some("t") { FOUND } else { MISSING }, before, row[2].clone())
            }
        }
    }

    /// Until the read of that id is done; without one, until nothing is to be done and every server has been heard.
    fn run(&mut self, id: Option<&CStr>) -> Option<Action> {
        let mut action: Action = unsafe { std::mem::zeroed() };
        action.struct_size = size_of::<Action>() as u32;
        let mut info = Info { struct_size: size_of::<Info>() as u32, ..Default::default() };
        let mut wake_ns = 0;
        loop {
            let now = self.clock.now();
            if unsafe { (self.calls.next)(self.cluster, now, &mut action, &mut wake_ns) } == 0 {
                let known = unsafe { (self.calls.info)(self.cluster, &mut info) };
                assert_eq!(known, 0, "no struct rp_cluster_info of this plugin's");
                if id.is_none() && info.settled == 1 {
                    return None;
                }
                std::thread::sleep(Duration::from_nanos(wake_ns.saturating_sub(now)));
                continue;
            }
            match action.kind {
                ACTION_DONE => return Some(action),
                ACTION_REDIAL => self.servers[action.server as usize].hang_up(),
                ACTION_READ | ACTION_ASK => {
                    let (outcome, before, after) = self.act(&action, id.unwrap_or_default());
                    let (before, after) = (before.map(|text| c_text(&text)), after.map(|text| c_text(&text)));
                    let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
                    unsafe {
                        (self.calls.answer)(self.cluster, action.id, outcome, pointer(&before), pointer(&after),
                                            self.clock.now())
                    };
                }
                _ => {}
            }
        }
    }

    fn look_up(&mut self, id: &str, position: Option<&str>) -> Result<String, String> {
        // All that is due: where reads fail at once, nothing would ever be asked while they are under way.
        self.run(None);
        let mut request = Request { struct_size: size_of::<Request>() as u32, now_ns: self.clock.now(),
                                    entropy: entropy(), ..Default::default() };
        let mut read_id = 0;
        let id_text = CString::new(id).map_err(|_| format!("{:?} has a NUL byte", id))?;
        if let Some(text) = position {
            if unsafe { (self.calls.position_parse)(c_text(text).as_ptr(), &mut request.position) } != 0 {
                return Err(format!("{} is no WAL position, such as 16/B374D848", text));
            }
        }
        if unsafe { (self.calls.start)(self.cluster, self.policy, &request, 0, &mut read_id) } != 0 {
            return Err(format!("{}: cannot be begun", id));
        }
        let done = self.run(Some(&id_text)).expect("a read ends");
        let mut stood = [0 as c_char; POSITION_BYTES];
        unsafe { (self.calls.position_print)(done.position, stood.as_mut_ptr()) };
        let value = if done.verdict == VERDICT_FOUND { format!(" value={}", self.value) } else { String::new() };
        Ok(format!("{} {} position={}{} {}", id, VERDICTS[done.verdict as usize], text_of(stood.as_ptr()), value,
                   text_of(done.message)))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.servers.iter_mut().for_each(Server::hang_up);
        unsafe {
            (self.calls.close)(self.cluster);
            (self.plugin.close)(self.set);
        }
    }
}

/// The plugin's table, checked in the order that the header asks for. It is loaded for good.
fn load(path: &str) -> Result<&'static Plugin, String> {
    unsafe {
        let library = dlopen(c_text(path).as_ptr(), RTLD_NOW);
        let entry = if library.is_null() { library } else { dlsym(library, c_text("read_policy_plugin_v1").as_ptr()) };
        if entry.is_null() {
            return Err(format!("{} is no read policy plugin", path));
        }
        let entry: extern "C" fn() -> *const Plugin = std::mem::transmute(entry);
        match entry().as_ref() {
            Some(plugin) if plugin.magic == MAGIC && plugin.abi_major == ABI_MAJOR
                && plugin.struct_size as usize >= size_of::<Plugin>() && !plugin.cluster.is_null() => Ok(plugin),
            _ => Err(format!("{} is not a plugin of ABI 1 with a cluster", path)),
        }
    }
}

fn work(words: &[String]) -> Result<(), String> {
    let mut host = Host::open(words)?;
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{}", line).and_then(|()| out.flush()).map_err(|error| error.to_string());
    for id in &words[6..] {
        say(host.look_up(id, None)?)?;
    }
    if words.len() == 6 {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| error.to_string())?;
            let mut parts = line.split_whitespace();
            if let Some(id) = parts.next() {
                say(host.look_up(id, parts.next())?)?;
            }
        }
    }
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let end = match words.len() {
        0..=5 => Err("usage: host PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]".to_string()),
        _ => work(&words),
    };
    if let Err(problem) = end {
        eprintln!("{}", problem);
        std::process::exit(2);
    }
}
