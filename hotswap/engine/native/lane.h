/* What the files of the fast lane share. */
#ifndef HOTSWAP_LANE_H
#define HOTSWAP_LANE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "errors.h"
#include "plain_head.h"
#include "slots.h"
#include "text.h"

/* Every name that is looked up, as a str made once. */
#define LANE_NAMES(_) \
    _(app) _(wake) _(regain) _(blocks) _(response_to) _(finish) _(fail) _(end) _(fileno) \
    _(start_response) _(write) _(early_hints) _(close) _(end_child) _(REQUEST_METHOD) _(RAW_URI) _(PATH_INFO) \
    _(QUERY_STRING) _(SERVER_PROTOCOL) _(HTTP_HOST) _(HTTP_CONNECTION) _(CONTENT_LENGTH) _(REMOTE_ADDR) _(REMOTE_PORT) \
    _(http) _(https)

#define DECLARE_NAME(name) extern PyObject *str_##name;
LANE_NAMES(DECLARE_NAME)
#undef DECLARE_NAME

/* The figures of an engine that do not change: sizes in bytes, times in seconds. */
typedef struct {
    HeadBounds head;
    Py_ssize_t body_buffer;
    long threads;  /* as `ThreadPool.limit` */
    long readable; /* the mask of epoll_ctl(2) of a connection that waits for its next request */
    double keepalive;
    double slow, blocked, rule; /* as SLOW, BLOCKED and RULE of wsgi/blocking_routes.py */
} Bounds;

/* What `known`, a dict of Python's, says of the bytes `key`. */
typedef struct {
    PyObject *known; /* borrowed: to be compared only */
    PyObject *key, *value;
} Remembered;

#define MEMO_PLACES 256

typedef struct {
    Remembered places[MEMO_PLACES];
} Memo;

/* One engine's lane: the parts of the engine that a turn asks. All are objects of its own or borrowed by a reference. */
typedef struct {
    PyObject_HEAD
    PyObject *state, *counters, *pool, *routes, *monitor, *call, *writer;
    PyObject *owned, *parked, *idle, *jobs;                   /* dicts, a list and a deque that are the engine's for ever */
    PyObject *go_on, *other_event, *fault;                    /* of the loop */
    PyObject *keep, *learn, *look_closely, *give_lead_away, *done; /* callables; done may be None */
    PyObject *methods, *targets, *keys, *schemes, *hosts, *learn_target, *trusts; /* what the reader of heads knows */
    PyObject *connection_kind, *request_kind, *token_kind, *stats_kind, *socket_kind, *file_kind, *bytes_io;
    PyObject *health_path;
    PyObject *names, *statuses, *stamp_lines;                 /* what the maker of heads knows */
    PyObject *stamp;                                          /* bytes: Server and Date of `stamp_second` */
    long long stamp_second;
    Memo memo;
    PyCFunction fileno; /* of `socket_kind`, NULL if it is not C's own */
    Bounds bounds;
    ConnectionSlots in_connection;
    RequestSlots in_request;
    StateSlots in_state;
    CountersSlots in_counters;
    TokenSlots in_token;
    StatsSlots in_stats;
    MonitorSlots in_monitor;
    PoolSlots in_pool;
    RoutesSlots in_routes;
} Lane;

/* One answer while it is plain. `response` is Python's Response once it is not. */
typedef struct {
    PyObject_HEAD
    Lane *lane;
    PyObject *conn, *request;
    PyObject *status, *headers, *line, *text; /* what the application said, and its lines; NULL before */
    PyObject *response;
    long code;
    Py_ssize_t length; /* -1: nobody said it */
    Py_ssize_t sent;
    char keep, omit, http11, is_head, headers_sent, done;
} Answer;

extern PyTypeObject AnswerType;

/* Two looks at the calling thread. `blocked` is 1, 0, or -1 if that cannot be told. */
typedef struct {
    double cpu, start;
    long given, taken;
    int blocked;
} Measure;

/* names.c */

/* of the environ */
extern PyObject *key_input, *key_early_hints, *key_gunicorn_socket, *key_werkzeug_socket, *key_url_scheme;
extern PyObject *no_bytes, *no_text, *no_blocks; /* b"", "", () */
extern PyObject *idle_phase; /* IDLE of connections/connection.py */
int make_names(void);
/* As PyDict_SetItem, which takes the reference to `value`; NULL is an exception that stands. */
int set_item_free(PyObject *dict, PyObject *key, PyObject *value);
/* The truth of what a call has returned, of which it takes the reference: 1, 0, or -1 if it is NULL. */
int truth_of(PyObject *made);

/* memo.c */

/* What `known` says of these bytes, one at least, new; NULL without an exception if nothing. What it has said it says for
 * ever. */
PyObject *recall(Memo *memo, PyObject *known, Span span);
void forget(Memo *memo);

/* events.c */

PyObject *lane_serve_events(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* turn.c */

enum { LEAD_LOST, LEADING, NOT_PLAIN };
/* One of these, -1 with an exception. */
int serve_turn(Lane *lane, PyObject *conn, PyObject *token);

/* turn_end.c */

double clock_now(void);
/* The descriptor of a connection's socket, -1 where it is no plain socket (or, with an exception, fails). */
int plain_descriptor(Lane *lane, PyObject *conn);
/* The connection waits for its next request, or whatever else has become of it: 0, or -1 with an exception. */
int end_turn(Lane *lane, PyObject *conn, long outcome, double now);

/* measure.c */

void begin_measure(Measure *measure);
void end_measure(const Bounds *bounds, Measure *measure);

/* call.c: KEEP, CLOSE, FLUSH or DROP of connections/answer_writer.py, -1 with an exception. `measure` may be NULL. */
long run(Answer *answer, PyObject *environ, Measure *measure);

/* request.c */

/* 1 and *request, 0 if it is not plain, -1 with an exception. */
int make_request(Lane *lane, PyObject *conn, const PlainHead *head, PyObject *target, Py_ssize_t body, PyObject **request);
/* The target as (uri, path, query), a new reference; NULL, and there may be an exception. */
PyObject *know_target(Lane *lane, Span target);
/* The length of the body: -1 if the head does not say it plainly. */
Py_ssize_t body_length(const PlainHead *head);

/* answer_head.c */

/* What start_response is told: 1 if it is taken, 0 if Python must look at it, -1 with an exception. */
int take_plain(Answer *answer, PyObject *status, PyObject *headers);
/* 1: the bytes of head and body, new; 0: Python must make them; -1: an exception. `whole`: body is all of it. */
int make_answer(Answer *answer, PyObject *body, int whole, PyObject **made);

/* answer.c */

/* New; NULL with an exception. */
Answer *new_answer(Lane *lane, PyObject *conn, PyObject *request, int is_head);
/* Its methods, bound, new; NULL with an exception. */
PyObject *start_response_of(Answer *answer);
PyObject *early_hints_of(Answer *answer);
/* The answer as Python's Response, which goes on with it from here: borrowed, NULL with an exception. */
PyObject *left_to_python(Answer *answer);
/* The answer is over: what the application kept of it speaks no more. */
void release_answer(Answer *answer);

#endif
