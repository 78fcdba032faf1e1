/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Every buffer, queue, table, line, depth, wait and retry has a maximum, and
 * all of them are here, each with its unit and its reason. Limits that a user
 * may change are options (app/options.c); their defaults and bounds are here.
 */

#define KIB (1024ULL)
#define MIB (1024ULL * KIB)

/* --- messages ----------------------------------------------------------- */

/* One incoming message. 2 MiB of stdin made of control characters is 12 MiB of JSON. */
#define LIMIT_MESSAGE_BYTES (16 * MIB)
/* One outgoing message. TypeScript clients drop the connection at 10 MiB. */
#define LIMIT_REPLY_BYTES (8 * MIB)
/* Messages up to this size are parsed on the loop thread (about 1 ms). */
#define LIMIT_LOOP_PARSE_BYTES (64 * KIB)
/* Before the JSON parser: 16 MiB of `{},` would cost it 1.25 GB. */
#define LIMIT_JSON_DEPTH 64
#define LIMIT_JSON_STRUCTURAL 20000
/* Batches (2025-03-26 only); the official SDKs use the same number. */
#define LIMIT_BATCH_MESSAGES 100
/* A request id or progress token, as JSON text: it is repeated in every answer. */
#define LIMIT_REQUEST_ID_BYTES 1024
/* Messages that a channel holds while an earlier one is being parsed, and
 * requests in flight on one channel. */
#define LIMIT_CHANNEL_QUEUE_MESSAGES 1024
/* Bytes of unparsed and unsent messages per stdio process before reading pauses. */
#define LIMIT_STDIO_QUEUE_BYTES (64 * MIB)
/* At the end: what the writer of stdout may take for the last replies. */
#define LIMIT_STDIO_FLUSH_MS 200
/* Open subscriptions (2026-07-28) of all clients, half of them of one name; over HTTP each holds a
 * connection. */
#define LIMIT_LISTEN_STREAMS 64
/* A tools/call over HTTP that is not over by now is answered as a stream. Modern: without one, some
 * proxies do not show that the client is gone. Legacy: the longest that clients are left without
 * the head of an answer. */
#define LIMIT_MODERN_STREAM_MS 50
#define LIMIT_LEGACY_STREAM_MS 1000
/* Progress notifications of one request: not closer together than this. */
#define LIMIT_PROGRESS_GAP_MS 100
/* What the model reads about the tool; it pays for every character in every request. */
#define LIMIT_DESCRIPTION_BYTES 1200
/* Threads that parse large messages, and their stacks (the parser recurses). */
#define LIMIT_PARSER_THREADS 2
#define LIMIT_PARSER_STACK_BYTES (1 * MIB)

/* --- commands ----------------------------------------------------------- */

/* The kernel's MAX_ARG_STRLEN less the NUL: longer is E2BIG. */
#define LIMIT_ARGUMENT_BYTES 131071
#define LIMIT_ARGUMENTS_BYTES (1 * MIB)
/* stdin of one call, in UTF-8 bytes; interface of the reference. */
#define LIMIT_STDIN_BYTES (2 * MIB)
#define LIMIT_PATH_BYTES 4096
/* One component of a path: the kernel's NAME_MAX. */
#define LIMIT_NAME_BYTES 255
#define LIMIT_DEFAULT_OUTPUT_BYTES (2 * MIB)
#define LIMIT_MAX_OUTPUT_BYTES (1024 * MIB)
#define LIMIT_DEFAULT_TIMEOUT_S 120
#define LIMIT_DEFAULT_MAX_TIMEOUT_S 86400
/* --max-timeout itself: 366 days, so that no deadline can overflow. */
#define LIMIT_MAX_TIMEOUT_S 31622400

/* After the main process ended: until end-of-file, this long without a byte,
 * or this long in all. Then the pipe goes to the drainer. */
#define LIMIT_DRAIN_QUIET_MS 50
#define LIMIT_DRAIN_TOTAL_MS 250
/* Pipes of background processes that are still read, per sandbox; oldest closed first. */
#define LIMIT_DRAINED_PIPES 32
/* Commands that run or have left background processes, in one sandbox: what the guest can
 * remember. Above --max-parallel's maximum four times over. */
#define LIMIT_GUEST_SUPERVISORS 1024
/* The guest confirms a kill within this, else the sandbox is killed. */
#define LIMIT_KILL_CONFIRM_MS 250

/* Output of commands that got none of it back is kept in their sandbox: so many pairs of files
 * (stdout, stderr), so much in all; the oldest go. Eight of the default --output-limit. */
#define LIMIT_SAVED_PAIRS 8
#define LIMIT_SAVED_BYTES (16 * MIB)
/* For writing one pair into memory: a hundred times what it takes. The call waits for it. */
#define LIMIT_SAVE_MS 500

/* A command line where it is shown or written down. */
#define LIMIT_COMMAND_TEXT_BYTES (4 * KIB)

/* --- sessions and threads ----------------------------------------------- */

#define LIMIT_DEFAULT_PARALLEL 8
#define LIMIT_MAX_PARALLEL 256
/* Calls waiting for a free place in one sandbox. */
#define LIMIT_QUEUED_CALLS 64
#define LIMIT_QUEUE_WAIT_MS 30000
#define LIMIT_DEFAULT_RUNNING 1024
/* --max-running: a thread each; more than a machine's usual thread limit helps nobody. */
#define LIMIT_MAX_RUNNING 16384
#define LIMIT_DEFAULT_SANDBOXES 1000
/* --max-sandboxes: a socket each, below the usual hard descriptor limit of 1048576. */
#define LIMIT_MAX_SANDBOXES 100000
/* --max-sandboxes-per-client: what one token's owner may take of them. */
#define LIMIT_DEFAULT_SANDBOXES_PER_CLIENT 64
/* --max-sessions: about a kilobyte each without a sandbox. */
#define LIMIT_DEFAULT_SESSIONS 16384
#define LIMIT_MAX_SESSIONS 1000000
/* A legacy session that nobody has used for so long ends: a day, because most clients cannot open
 * another one by themselves. */
#define LIMIT_SESSION_MS 86400000ULL
/* --max-connections: a descriptor each. */
#define LIMIT_DEFAULT_CONNECTIONS 4096
#define LIMIT_MAX_CONNECTIONS 100000
/* /healthz: so old may its answer be, so long does it try for a new one (a hundred times what a
 * sandbox takes; those who ask give up sooner or later), and so many may wait for it. */
#define LIMIT_HEALTH_MS 30000
#define LIMIT_HEALTH_ANSWER_MS 5000
#define LIMIT_HEALTH_ASKERS 64
/* /metrics: about 12 KiB. */
#define LIMIT_METRICS_BYTES (64 * KIB)
/* --max-buffered: below, not even one call with the largest message and reply fits. */
#define LIMIT_MIN_BUFFERED_BYTES (32 * MIB)
/* Of --max-buffered, the part of one named client: a half of it, and never less than the above. */
#define LIMIT_BUDGET_SHARE 2
/* Of --max-buffered, an eighth is out of reach for bodies that are larger than this: else a few
 * clients with large ones, or one that sends them slowly, would shut out everybody. */
#define LIMIT_BUDGET_SPARE_SHARE 8
#define LIMIT_HTTP_SMALL_BODY_BYTES (64 * KIB)
/* --max-creating: more at once only makes each of them slower. */
#define LIMIT_MAX_CREATING 1024
/* Sandboxes being made at once per processor, where making one is work for this machine. */
#define LIMIT_CREATING_PER_CORE 2
/* Descriptors: for the server itself (with the groups and places that native keeps ready), per
 * running command (pipes, exec socket, cancel flag, with room for passing them on), per sandbox
 * (socket, death, up to three counters, a share of drained pipes). A connection has one. */
#define LIMIT_DESCRIPTORS_RESERVED 128UL
#define LIMIT_DESCRIPTORS_PER_CALL 10
#define LIMIT_DESCRIPTORS_PER_SANDBOX 7
/* Modern handles of one stdio process. */
#define LIMIT_STDIO_HANDLES 64
/* Dead ones that still say what became of them, per principal; oldest forgotten. */
#define LIMIT_DEAD_HANDLES 256
#define LIMIT_CREATE_MS 30000
/* --pool: each takes memory before anybody uses it. */
#define LIMIT_MAX_POOL 1000
/* A sandbox has been given to a call: the next one for the pool is begun when this has passed ...
 */
#define LIMIT_POOL_CALM_MS 50
/* ... or so soon after the last running command has ended; its answer goes out first. */
#define LIMIT_POOL_SOON_MS 5
/* After a sandbox for the pool could not be made, or died there; doubles up to the maximum. */
#define LIMIT_POOL_RETRY_MS 1000
#define LIMIT_POOL_RETRY_MAX_MS 60000
/* Sandboxes being destroyed at once: each takes a thread and waits for the kernel or an engine. */
#define LIMIT_BURIALS 16
/* Buffers from here on are given back to the system when they are freed. The C library would raise
 * its own limit with each large one, up to 32 MiB, and keep what calls have used for good. */
#define LIMIT_HEAP_CHUNK_BYTES (128 * KIB)
/* A worker only moves bytes; it never parses. */
#define LIMIT_SMALL_STACK_BYTES (128 * KIB)
/* Progress notifications while a command runs. */
#define LIMIT_PROGRESS_INTERVAL_MS 10000
/* After end-of-file on stdin running calls get this long ... */
#define LIMIT_EOF_GRACE_MS 1000
/* ... and everything is gone this long after end-of-file or SIGTERM (meson.build has the factor: a
 * sanitizer makes all of it slower by an order of magnitude), */
#define LIMIT_SHUTDOWN_MS (1500 * KILNTAINERS_SLOWNESS)
/* ... or after the grace and this long for each sandbox, where that is more: the kernel works for a
 * millisecond or two on the end of each, and other programs may want the processors as well. */
#define LIMIT_SHUTDOWN_SANDBOX_MS 10

/* --- native ------------------------------------------------------------- */

#define LIMIT_DEFAULT_DISK_BYTES (512 * MIB)
/* --disk: below 1 MiB a sandbox's own directories do not fit; above, it is a typing error. */
#define LIMIT_MIN_DISK_BYTES (1 * MIB)
#define LIMIT_MAX_DISK_BYTES (1024 * 1024 * MIB)
/* Files, directories and links on a sandbox's tmpfs: one per 4 KiB block. */
#define LIMIT_DISK_BYTES_PER_INODE 4096
/* On top of that, for what the sandbox itself is made of: three for each overlay. */
#define LIMIT_DISK_OWN_INODES 1024
#define LIMIT_NOFILE_SOFT 1024
#define LIMIT_NOFILE_HARD 4096
/* What a sandbox may use of the machine, unless --memory or --pids-limit say otherwise. */
#define LIMIT_DEFAULT_MEMORY_BYTES (1024 * MIB)
#define LIMIT_MIN_MEMORY_BYTES (16 * MIB)
/* Of --memory, and in addition to it, for what network sockets hold unread, where the kernel counts
 * that apart (control groups of version 1): an eighth. */
#define LIMIT_NETWORK_MEMORY_SHARE 8
#define LIMIT_DEFAULT_PIDS 256
/* Guest, spare, supervisor, a shell and a few programs. */
#define LIMIT_MIN_PIDS 16
#define LIMIT_MAX_PIDS 4194304
/* On top of that, for commands that end others once a sandbox is full: a supervisor, a program and
 * the next spare each. */
#define LIMIT_RESERVED_PIDS 8
/* What all sandboxes may use together, in per cent of the machine's memory and of its process
 * numbers (and threads, where those are fewer). */
#define LIMIT_TOTAL_MEMORY_PERCENT 60
#define LIMIT_TOTAL_PIDS_PERCENT 50
/* Of processor time against everybody else's 100, when there is not enough for all. */
#define LIMIT_CPU_WEIGHT 50
/* Control groups that are kept for the next sandboxes. */
#define LIMIT_IDLE_GROUPS 8
/* Places for sandboxes that are made ahead; each takes 0.3 MB of the kernel's memory. */
#define LIMIT_READY_PLACES 2
/* At the end: for the kernel to let go of the last groups. */
#define LIMIT_GROUPS_END_MS 500
/* systemd's answer to one request. */
#define LIMIT_SYSTEMD_MS 3000
/* For the kernel to kill all processes of a sandbox and take its namespaces apart. */
#define LIMIT_DESTROY_MS 10000
/* An --image tar: entries, and unpacked bytes with the holes of sparse files (bombs). */
#define LIMIT_IMAGE_ENTRIES 2000000
#define LIMIT_IMAGE_BYTES (64 * 1024ULL * MIB)
/* A path in a tar, so that it still has room below the cache directory and in the sandbox. */
#define LIMIT_IMAGE_PATH_BYTES 2048
/* Directories within directories that are walked with a descriptor each. */
#define LIMIT_TREE_DEPTH 128
/* What the host image copies from /etc: one file (the certificates are 220 KiB), all of
 * them, and how many entries (a Debian with everything has about 1000). */
#define LIMIT_HOST_FILE_BYTES (4 * MIB)
#define LIMIT_HOST_ETC_BYTES (16 * MIB)
#define LIMIT_HOST_ETC_ENTRIES 8000
/* /proc/self/mountinfo, and one line of it (three paths of 4096, escaped fourfold). */
#define LIMIT_MOUNTS_BYTES (16 * MIB)
#define LIMIT_MOUNT_LINE_BYTES (64 * KIB)
/* /etc/os-release of an image. */
#define LIMIT_OS_RELEASE_BYTES (16 * KIB)

/* --- owners ------------------------------------------------------------- */

/* What one server writes down for whoever cleans up after it: a group per hierarchy, twice. */
#define LIMIT_OWNER_RECORDS 64
#define LIMIT_OWNER_FILE_BYTES (256 * KIB)
/* Lock files that one sweep looks at. More are left to the next. */
#define LIMIT_OWNERS_SWEPT 1000
/* `cleanup`: groups of one hierarchy that are looked at, the members of one (a process id each),
 * and how long one is waited for whose processes are dying. */
#define LIMIT_CLEANUP_GROUPS 20000
#define LIMIT_GROUP_MEMBERS_BYTES (1 * MIB)
#define LIMIT_CLEANUP_WAIT_MS 2000
/* --older-than: a hundred years. */
#define LIMIT_MAX_AGE_S 3153600000
/* For a lock file that somebody else swept up while it was being made. */
#define LIMIT_OWNER_TRIES 8

/* --- http: who may use it ----------------------------------------------- */

/* --auth-token-file: all of it, and how many it may hold. Every request is compared with each of
 * them, which takes 0.2 ms for so many. */
#define LIMIT_TOKEN_FILE_BYTES (2 * MIB)
#define LIMIT_TOKENS 10000
/* The name of a token's holder is also a key and a field of the log. */
#define LIMIT_TOKEN_NAME_BYTES 64
/* Shorter ones can be guessed; longer ones leave no room in the head of a request. */
#define LIMIT_TOKEN_MIN_BYTES 16
#define LIMIT_TOKEN_MAX_BYTES 1024
/* A host's name in Host, Origin, --allow-host and --allow-origin: what DNS allows. */
#define LIMIT_HOST_NAME_BYTES 253
/* --allow-host and --allow-origin, each: every request is compared with all. */
#define LIMIT_ALLOWED_NAMES 256
/* Refused requests in the log: so many at once, then one for each such time; the rest is counted.
 */
#define LIMIT_REFUSALS_LOGGED 10
#define LIMIT_REFUSAL_GAP_MS 1000

/* --- http --------------------------------------------------------------- */

/* The head of a request; what node takes as well. */
#define LIMIT_HTTP_HEAD_BYTES (16 * KIB)
/* Its first line: RFC 9112 section 3 wants 8000 at least. */
#define LIMIT_HTTP_REQUEST_LINE_BYTES (8 * KIB)
/* A browser behind two proxies sends about 40. */
#define LIMIT_HTTP_FIELDS 100
/* The longest method that is registered has 17 letters. */
#define LIMIT_HTTP_METHOD_BYTES 32
/* A chunk's size with its extensions, and one trailer; kept in the connection. */
#define LIMIT_HTTP_CHUNK_LINE_BYTES 512
/* All extensions of one body: one-byte chunks would carry 500 times their size. */
#define LIMIT_HTTP_EXTENSION_BYTES (4 * KIB)
/* All trailers of one body. */
#define LIMIT_HTTP_TRAILER_BYTES (4 * KIB)

/* --max-connections: a descriptor and about 1 KiB each; and what it may be set to. */
#define LIMIT_DEFAULT_CONNECTIONS 4096
#define LIMIT_MAX_CONNECTIONS 100000
/* Of them, those on which one name may have requests: the half of all. */
#define LIMIT_HTTP_HOLDER_SHARE 2
/* Connections that have proved nothing yet, where somebody must: in all and of one address (of one
 * /64 in IPv6). Those from this machine count only against --max-connections. */
#define LIMIT_HTTP_UNTRUSTED 256
#define LIMIT_HTTP_UNTRUSTED_PER_PEER 64
/* TLS handshakes under way: 33 KiB each, which no budget knows of. One takes
 * milliseconds; past this the oldest goes. */
#define LIMIT_HTTP_HANDSHAKES 1024
/* Records of TLS that carry no data, in one connection: a handshake has four of them, and no client
 * is known to renew its keys before it has sent gigabytes. */
#define LIMIT_TLS_EMPTY_RECORDS 64
#define LIMIT_HTTP_UNTRUSTED_BODY_BYTES (64 * KIB)
/* From the first byte (or the connection's start, TLS included) to the end of a head. */
#define LIMIT_HTTP_HEAD_MS 10000
/* For a whole body: 16 MiB at one megabit in a second. It also keeps moving: LIMIT_HTTP_STALL_MS.
 */
#define LIMIT_HTTP_BODY_MS 120000
/* Between two requests: what proxies and browsers are used to. */
#define LIMIT_HTTP_IDLE_MS 75000
/* Of an open stream: proxies cut what is silent for 30 or 60 s. */
#define LIMIT_HTTP_COMMENT_MS 15000
/* Waiting for one client that reads too slowly: two of the largest replies. */
#define LIMIT_HTTP_UNSENT_BYTES (2 * LIMIT_REPLY_BYTES)
/* A client with bytes waiting for it takes so many (or all) in this time, or loses the connection;
 * and of a body so many bytes (or all) come in it. No usable line is slower, and megabytes must not
 * be held for hours. */
#define LIMIT_HTTP_STALL_MS 30000
#define LIMIT_HTTP_STALL_BYTES (64 * KIB)
/* A machine that is gone without a word (unplugged, asleep): for the kernel to give up. */
#define LIMIT_HTTP_SILENT_PEER_MS 120000
/* In the kernel and not sent yet; the rest waits here, where it is counted. */
#define LIMIT_HTTP_KERNEL_UNSENT_BYTES (128 * KIB)
/* Behind the last answer: read and dropped, so that a client that is still sending sees the answer
 * and not a reset. One whole message, and its head. */
#define LIMIT_HTTP_LINGER_BYTES (LIMIT_MESSAGE_BYTES + 64 * KIB)
#define LIMIT_HTTP_LINGER_MS 5000
/* What one connection may read (and in how many pieces: TLS hands out each record by itself, and a
 * record may hold one byte), be sent, or how many requests it may make, before it is another's
 * turn; and how long connections that want more, or new ones, or those with news when there are
 * many, are served before the loop looks at everything else. */
#define LIMIT_HTTP_TURN_BYTES (64 * KIB)
#define LIMIT_HTTP_TURN_READS 64
#define LIMIT_HTTP_TURN_SENT_BYTES (256 * KIB)
#define LIMIT_HTTP_TURN_REQUESTS 16
#define LIMIT_HTTP_BULK_US 1000
/* The head of an answer. */
#define LIMIT_HTTP_ANSWER_HEAD_BYTES (16 * KIB)
/* Sockets that listen: a name may have several addresses, systemd may pass several. */
#define LIMIT_HTTP_LISTENERS 16
/* Connections waiting to be accepted; the kernel has its own limit, which is often lower. */
#define LIMIT_HTTP_BACKLOG 1024
/* Accepted at once, before connections that are there get their turn. */
#define LIMIT_HTTP_ACCEPTS 64
/* Connections that are looked at for a request before one is closed for want of places. */
#define LIMIT_HTTP_LAST_LOOKS 16
/* Without a descriptor to accept with: until the next attempt. */
#define LIMIT_HTTP_ACCEPT_PAUSE_MS 100
/* For another process that is making a socket in the same directory. */
#define LIMIT_HTTP_UNIX_LOCK_MS 1000
/* What happens because of clients and would fill the log: once in this time. */
#define LIMIT_HTTP_LOG_MS 60000
/* A file with a certificate and its chain, or with a key. */
#define LIMIT_TLS_FILE_BYTES (1 * MIB)

/* --- status page -------------------------------------------------------- */

/* Entries of each of its lists: as many sandboxes as --max-sandboxes lets there be by default. */
#define LIMIT_STATUS_ROWS 1000
/* Ended calls that are remembered, and of each the command and the error. */
#define LIMIT_STATUS_HISTORY 200
#define LIMIT_STATUS_TEXT_BYTES 256
/* The whole answer: 1200 calls with 256 characters of six bytes each, or 200 of them with an error
 * as long, and 2000 other rows of 300 bytes. */
#define LIMIT_STATUS_BYTES (4 * MIB)

/* --- log ---------------------------------------------------------------- */

#define LIMIT_LOG_RING_BYTES (64 * KIB)
#define LIMIT_LOG_LINE_BYTES (8 * KIB)
#define LIMIT_LOG_FIELD_BYTES (1 * KIB)
#define LIMIT_LOG_FINISH_MS 100
/* --audit-log: of a command (or its program), before it is escaped ... */
#define LIMIT_AUDIT_TEXT_BYTES (4 * KIB)
/* ... to six times that, with the rest of a line. */
#define LIMIT_AUDIT_LINE_BYTES (32 * KIB)
