/* What the files of the fast lane share. */
#ifndef HOTSWAP_LANE_H
#define HOTSWAP_LANE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plain_head.h"

/* Every name that is looked up, as a str made once. */
#define LANE_NAMES(_) \
    _(phase) _(data) _(sock) _(fileno) _(client_socket) _(closing) _(peer) _(base) _(site) _(app) _(request) _(now) \
    _(turns) _(keepalive) _(draining) _(requests) _(succeeded) _(sleeps) _(wake) _(begin) _(regain) \
    _(can_spare) _(paths) _(response_to) _(finish) _(fail) _(environ) _(started) _(consumed) _(http11) \
    _(keep_alive) _(length) _(host) _(connection) _(start_response) _(write) _(early_hints) _(close) \
    _(REQUEST_METHOD) _(RAW_URI) _(PATH_INFO) _(QUERY_STRING) _(SERVER_PROTOCOL) _(HTTP_HOST) _(HTTP_CONNECTION) \
    _(CONTENT_LENGTH) _(http) _(https) _(REMOTE_ADDR) _(REMOTE_PORT) _(rest) _(end_child)

#define DECLARE_NAME(name) extern PyObject *str_##name;
LANE_NAMES(DECLARE_NAME)
#undef DECLARE_NAME

/* One engine's lane: the parts of the engine that a turn asks. All are objects of its own or borrowed by a reference. */
typedef struct {
    PyObject_HEAD
    PyObject *state, *counters, *pool, *routes, *monitor, *call, *writer;
    PyObject *keep, *learn, *done;                            /* callables; done may be None */
    PyObject *methods, *targets, *keys, *schemes, *hosts, *learn_target, *trusts; /* what the reader of heads knows */
    PyObject *request_kind, *socket_kind, *file_kind, *bytes_io;
    PyObject *health_path;
    PyObject *names, *statuses, *stamp_lines;                 /* what the maker of heads knows */
    PyObject *stamp;                                          /* bytes: Server and Date of `stamp_second` */
    long long stamp_second;
    Py_ssize_t body_buffer;
    double slow;
    HeadBounds bounds;
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

/* attributes.c */

/* of the environ */
extern PyObject *key_input, *key_early_hints, *key_gunicorn_socket, *key_werkzeug_socket, *key_url_scheme;
extern PyObject *no_blocks; /* () */
int make_names(void);
/* An attribute's truth: 1, 0, or -1 with an exception. */
int is_true(PyObject *object, PyObject *name);
/* An attribute that is a number; look for an exception where that may be none. */
double number_of(PyObject *object, PyObject *name);
/* An attribute that is a number is made greater by one: 0, or -1 with an exception. */
int count_up(PyObject *object, PyObject *name);
/* As PyDict_SetItem, which takes the reference to `value`; NULL is an exception that stands. */
int set_item_free(PyObject *dict, PyObject *key, PyObject *value);

/* turn.c */

PyObject *lane_serve(PyObject *self, PyObject *const *args, Py_ssize_t count);
/* The descriptor of a connection's socket, -1 where it is no plain socket (or, with an exception, fails). */
int plain_descriptor(Lane *lane, PyObject *sock);

/* call.c: KEEP, CLOSE, FLUSH or DROP of connections/answer_writer.py, -1 with an exception. */
long run(Answer *answer, PyObject *environ);

/* request.c */

/* 1 and *request, 0 if it is not plain, -1 with an exception. */
int make_request(Lane *lane, PyObject *conn, const PlainHead *head, Py_ssize_t body, PyObject **request);
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
/* The answer as Python's Response, which goes on with it from here: borrowed, NULL with an exception. */
PyObject *left_to_python(Answer *answer);
/* The answer is over: what the application kept of it speaks no more. */
void release_answer(Answer *answer);

#endif
