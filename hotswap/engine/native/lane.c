/* The whole turn of a plain request, on the leading thread: the twin of RequestServer.serve_request.
 *
 * C only ever says "plain". Whatever else there is goes back to Python, which judges, refuses and remembers; what was
 * received then lies in the connection's `data`, where Python looks first. The GIL is held through recv and send, which
 * cannot wait; it changes hands only within calls of Python code, behind which everything is asked again.
 */
#include "lane.h"

#include <sys/socket.h>
#include <time.h>

#define RECV 16384 /* as connections/poller.py */
#define FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

#define DEFINE_NAME(name) PyObject *str_##name;
LANE_NAMES(DEFINE_NAME)
#undef DEFINE_NAME

static PyObject *key_input, *key_early_hints, *key_gunicorn_socket, *key_werkzeug_socket, *no_blocks;

int is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    int truth = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return truth;
}

static double number_of(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    double number = value ? PyFloat_AsDouble(value) : -1.0;
    Py_XDECREF(value);
    return number;
}

int count_up(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name), *more;
    long long count = value ? PyLong_AsLongLong(value) : -1;
    int failed;
    Py_XDECREF(value);
    if (PyErr_Occurred())
        return -1;
    more = PyLong_FromLongLong(count + 1);
    failed = !more || PyObject_SetAttr(object, name, more) < 0;
    Py_XDECREF(more);
    return failed ? -1 : 0;
}

/* The descriptor of a connection's socket, -1 where it is no plain socket (or, with an exception, fails). */
static int plain_descriptor(Lane *lane, PyObject *sock)
{
    PyObject *number;
    long fd;
    if ((PyObject *)Py_TYPE(sock) != lane->socket_kind)
        return -1;
    number = PyObject_CallMethodNoArgs(sock, str_fileno);
    fd = number ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return (int)fd;
}

/* What there is to read, new; NULL without an exception: Python finds out what became of the connection. */
static PyObject *received(int fd)
{
    /* On the stack: while the application runs, another thread may lead, and receive. */
    char room[RECV];
    ssize_t count = recv(fd, room, sizeof room, FLAGS);
    return count > 0 ? PyBytes_FromStringAndSize(room, count) : NULL;
}

/* What the client has said, new; NULL, and there may be an exception. */
static PyObject *take_data(Lane *lane, PyObject *conn, PyObject *sock)
{
    PyObject *data;
    int fd, phase = is_true(conn, str_phase);
    if (phase)
        return NULL; /* not IDLE, or an exception */
    data = PyObject_GetAttr(conn, str_data);
    if (!data || !PyBytes_CheckExact(data) || PyBytes_GET_SIZE(data))
        return data;
    Py_DECREF(data);
    fd = plain_descriptor(lane, sock);
    return fd < 0 ? NULL : received(fd);
}

/* Whether a path is at rest: not one whose calls are measured. 1, 0 or -1. */
static int is_at_rest(Lane *lane, PyObject *path)
{
    PyObject *paths = PyObject_GetAttr(lane->routes, str_paths), *stats;
    double until = 0.0, turns = 1.0;
    if (!paths)
        return -1;
    stats = PyDict_GetItemWithError(paths, path);
    Py_XINCREF(stats);
    Py_DECREF(paths);
    if (stats) {
        until = number_of(stats, str_rest);
        turns = PyErr_Occurred() ? 0.0 : number_of(lane->state, str_turns);
        Py_DECREF(stats);
        return PyErr_Occurred() ? -1 : until > turns;
    }
    return PyErr_Occurred() ? -1 : 1;
}

/* Whether the leading thread may run a request of this path: 1, 0 or -1. */
static int may_run(Lane *lane, const PlainHead *head)
{
    PyObject *target = know_target(lane, head->target), *spare;
    int may = 0;
    if (!target)
        return PyErr_Occurred() ? -1 : 0;
    if (PyUnicode_Compare(PyTuple_GET_ITEM(target, 1), lane->health_path) != 0 && !PyErr_Occurred())
        may = is_at_rest(lane, PyTuple_GET_ITEM(target, 1));
    Py_DECREF(target);
    if (PyErr_Occurred() || !may)
        return PyErr_Occurred() ? -1 : 0;
    spare = PyObject_CallMethodNoArgs(lane->pool, str_can_spare);
    may = spare ? PyObject_IsTrue(spare) : -1;
    Py_XDECREF(spare);
    return may;
}

static int set_item_free(PyObject *dict, PyObject *key, PyObject *value)
{
    int failed = !value || PyDict_SetItem(dict, key, value) < 0;
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

/* Which client this is, and how to talk to it directly. */
static int introduce(PyObject *conn, PyObject *sock, PyObject *environ)
{
    PyObject *peer = PyObject_GetAttr(conn, str_peer);
    int failed;
    if (!peer)
        return -1;
    if (PyTuple_CheckExact(peer) && PyTuple_GET_SIZE(peer) >= 2)
        failed = PyDict_SetItem(environ, str_REMOTE_ADDR, PyTuple_GET_ITEM(peer, 0)) < 0 ||
                 set_item_free(environ, str_REMOTE_PORT, PyObject_Str(PyTuple_GET_ITEM(peer, 1))) < 0;
    else
        failed = PyDict_SetItem(environ, str_REMOTE_ADDR, peer) < 0;
    Py_DECREF(peer);
    return failed || PyDict_SetItem(environ, key_gunicorn_socket, sock) < 0 ||
                   PyDict_SetItem(environ, key_werkzeug_socket, sock) < 0
               ? -1
               : 0;
}

static int put_input(Lane *lane, PyObject *environ, const char *body, Py_ssize_t size)
{
    PyObject *content, *file;
    if (!size)
        return set_item_free(environ, key_input, PyObject_CallNoArgs(lane->bytes_io));
    content = PyBytes_FromStringAndSize(body, size);
    file = content ? PyObject_CallOneArg(lane->bytes_io, content) : NULL;
    Py_XDECREF(content);
    return set_item_free(environ, key_input, file);
}

/* The request and its connection are as Python's reader leaves them. */
static int begin_request(Lane *lane, PyObject *conn, PyObject *request, PyObject *data, Py_ssize_t consumed)
{
    PyObject *now = PyObject_GetAttr(lane->state, str_now), *rest;
    int failed = !now || PyObject_SetAttr(request, str_started, now) < 0;
    Py_XDECREF(now);
    rest = PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + consumed, PyBytes_GET_SIZE(data) - consumed);
    failed = failed || !rest || PyObject_SetAttr(conn, str_data, rest) < 0;
    Py_XDECREF(rest);
    failed = failed || PyObject_SetAttr(conn, str_request, request) < 0 || count_up(lane->counters, str_requests) < 0 ||
             count_up(lane->state, str_turns) < 0;
    return failed ? -1 : 0;
}

/* Called with or without an exception; returns the outcome of Python's `fail` or `finish`, -1 with an exception. */
static long outcome_of(PyObject *made)
{
    long outcome = made ? PyLong_AsLong(made) : -1;
    Py_XDECREF(made);
    return outcome;
}

/* The exception that stands, new, with its traceback; none stands any more. */
static PyObject *take_error(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace)
        PyException_SetTraceback(error, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return error;
#endif
}

/* The exception stands again. */
static void set_error(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

/* The exception that stands is the application's, or its client's: Python says what it means. */
static long fail(Answer *answer)
{
    PyObject *error = take_error(), *response = left_to_python(answer), *later;
    long outcome = -1;
    if (response) {
        outcome = outcome_of(PyObject_CallMethodObjArgs(answer->lane->call, str_fail, answer->conn, answer->request,
                                                        response, error, NULL));
        Py_DECREF(error);
        return outcome;
    }
    later = take_error(); /* there is no memory for a Response, for example: neither must hide the other */
    PyException_SetContext(later, error);
    set_error(later);
    return outcome;
}

/* Python goes on: with `rest`, which is made and not sent, then with `first` and what `blocks` still has. */
static long finish(Answer *answer, PyObject *result, PyObject *rest, PyObject *first, PyObject *blocks)
{
    PyObject *response = left_to_python(answer), *firsts;
    long outcome;
    if (!response)
        return -1;
    /* In a tuple, because applications may give anything for a block, None too. */
    firsts = first ? PyTuple_Pack(1, first) : Py_NewRef(no_blocks);
    if (!firsts)
        return -1;
    outcome = outcome_of(PyObject_CallMethodObjArgs(answer->lane->call, str_finish, answer->conn, answer->request, response,
                                                    result, rest ? rest : Py_None, firsts, blocks, NULL));
    Py_DECREF(firsts);
    return outcome;
}

static int close_result(PyObject *result)
{
    PyObject *close, *made;
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return 0;
    close = PyObject_GetAttr(result, str_close);
    if (!close) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    made = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    Py_XDECREF(made);
    return made ? 0 : -1;
}

/* The answer is with its client, to the last byte: count it, log it. */
static long succeed(Answer *answer)
{
    Lane *lane = answer->lane;
    PyObject *made;
    int keep = answer->keep;
    if (answer->code < 300) {
        if (count_up(lane->counters, str_succeeded) < 0)
            return -1;
    } else {
        made = PyObject_CallMethod(lane->counters, "answered", "l", answer->code);
        if (!made)
            return -1;
        Py_DECREF(made);
    }
    if (lane->done != Py_None) {
        made = PyObject_CallFunctionObjArgs(lane->done, (PyObject *)answer, answer->request, NULL);
        if (!made)
            return -1;
        Py_DECREF(made);
    }
    return keep ? 0 : 1; /* KEEP, CLOSE */
}

/* The next block that is not empty, new; NULL at the end, or with an exception. */
static PyObject *next_block(PyObject *blocks)
{
    PyObject *block;
    while ((block = PyIter_Next(blocks)) && PyBytes_CheckExact(block) && !PyBytes_GET_SIZE(block))
        Py_DECREF(block);
    return block;
}

/* Closes the application's iterable while `error` is handled, as in a `finally`: what close() raises has it as context. */
static int close_handling(PyObject *result, PyObject *error)
{
    PyObject *type, *value, *trace;
    int failed;
    PyErr_GetExcInfo(&type, &value, &trace);
    PyErr_SetExcInfo(Py_NewRef((PyObject *)Py_TYPE(error)), Py_NewRef(error), PyException_GetTraceback(error));
    failed = close_result(result);
    PyErr_SetExcInfo(type, value, trace);
    return failed;
}

/* An exception stands while the application's iterable is open: close it, then fail. */
static long fail_open(Answer *answer, PyObject *result)
{
    PyObject *error = take_error();
    if (close_handling(result, error) < 0)
        Py_DECREF(error);
    else
        set_error(error);
    return fail(answer);
}

/* All is sent; let the iterable come to its end, and close it. */
static long end_plain(Answer *answer, PyObject *result, PyObject *blocks)
{
    PyObject *block;
    while (blocks && (block = next_block(blocks))) {
        int fine = PyBytes_CheckExact(block) && !answer->response;
        long outcome = fine ? 0 : finish(answer, result, NULL, block, blocks);
        Py_DECREF(block);
        if (!fine)
            return outcome;
    }
    if (PyErr_Occurred())
        return fail_open(answer, result);
    answer->done = 1;
    if (close_result(result) < 0)
        return fail(answer);
    if (answer->response) /* somebody spoke through `write` meanwhile */
        return finish(answer, Py_None, NULL, NULL, no_blocks);
    return succeed(answer);
}

static long send_plain(Answer *answer, PyObject *result, PyObject *body, PyObject *blocks)
{
    PyObject *made, *sock, *rest;
    ssize_t sent = -1;
    long outcome;
    int fd, good = make_answer(answer, body, blocks == NULL, &made);
    if (good < 0)
        return fail_open(answer, result);
    if (!good)
        return blocks ? finish(answer, result, NULL, body, blocks) : finish(answer, result, NULL, NULL, result);
    sock = PyObject_GetAttr(answer->conn, str_sock);
    fd = sock ? plain_descriptor(answer->lane, sock) : -1;
    Py_XDECREF(sock);
    if (!PyErr_Occurred() && fd >= 0)
        sent = send(fd, PyBytes_AS_STRING(made), (size_t)PyBytes_GET_SIZE(made), FLAGS);
    if (sent == PyBytes_GET_SIZE(made)) {
        Py_DECREF(made);
        return end_plain(answer, result, blocks);
    }
    /* Python sends what is left, and finds whatever is wrong with the connection once more. */
    rest = PyErr_Occurred() ? NULL : PySequence_GetSlice(made, sent < 0 ? 0 : sent, PyBytes_GET_SIZE(made));
    Py_DECREF(made);
    outcome = rest ? finish(answer, result, rest, NULL, blocks ? blocks : no_blocks) : fail_open(answer, result);
    Py_XDECREF(rest);
    return outcome;
}

static long send_blocks(Answer *answer, PyObject *result)
{
    PyObject *blocks = PyObject_GetIter(result), *first = blocks ? next_block(blocks) : NULL;
    long outcome;
    if (PyErr_Occurred())
        outcome = fail_open(answer, result);
    else if (first)
        outcome = send_plain(answer, result, first, blocks);
    else
        outcome = finish(answer, result, NULL, NULL, blocks);
    Py_XDECREF(first);
    Py_XDECREF(blocks);
    return outcome;
}

static long answer_with(Answer *answer, PyObject *result)
{
    PyObject *body = NULL;
    long outcome;
    if (answer->response)
        return finish(answer, result, NULL, NULL, result);
    if (PyList_CheckExact(result) && PyList_GET_SIZE(result) == 1)
        body = PyList_GET_ITEM(result, 0);
    else if (PyTuple_CheckExact(result) && PyTuple_GET_SIZE(result) == 1)
        body = PyTuple_GET_ITEM(result, 0);
    else if (PyList_Check(result) || PyTuple_Check(result) || (PyObject *)Py_TYPE(result) == answer->lane->file_kind)
        return finish(answer, result, NULL, NULL, result);
    else
        return send_blocks(answer, result);
    Py_INCREF(body); /* the list is the application's, and may change in another thread */
    outcome = send_plain(answer, result, body, NULL);
    Py_DECREF(body);
    return outcome;
}

/* The application's call and its answer: KEEP, CLOSE, FLUSH or DROP, -1 with an exception. */
static long run(Answer *answer, PyObject *environ)
{
    PyObject *site = PyObject_GetAttr(answer->conn, str_site), *app = site ? PyObject_GetAttr(site, str_app) : NULL;
    PyObject *start = app ? PyObject_GetAttr((PyObject *)answer, str_start_response) : NULL, *result = NULL;
    PyObject *hints = start ? PyObject_GetAttr((PyObject *)answer, str_early_hints) : NULL;
    long outcome;
    if (hints && PyDict_SetItem(environ, key_early_hints, hints) == 0)
        result = PyObject_CallFunctionObjArgs(app, environ, start, NULL);
    outcome = result ? answer_with(answer, result) : fail(answer);
    Py_XDECREF(result);
    Py_XDECREF(hints);
    Py_XDECREF(start);
    Py_XDECREF(app);
    Py_XDECREF(site);
    return outcome;
}

/* The lead is given up by nobody but regain(), after whatever happened: an exception that stands is kept. */
static int take_lead(Lane *lane, PyObject *conn, PyObject *token)
{
    PyObject *begin = PyObject_GetAttr(token, str_begin), *made = begin ? PyObject_CallOneArg(begin, conn) : NULL;
    int sleeps;
    Py_XDECREF(begin);
    if (!made)
        return -1;
    Py_DECREF(made);
    sleeps = is_true(lane->monitor, str_sleeps);
    if (sleeps <= 0)
        return sleeps;
    made = PyObject_CallMethodNoArgs(lane->monitor, str_wake);
    Py_XDECREF(made);
    return made ? 0 : -1;
}

static int note_time(Lane *lane, PyObject *request, double now, PyObject *stamp)
{
    double before = number_of(lane->state, str_now);
    PyObject *path, *made;
    if (PyErr_Occurred())
        return -1;
    if (now - before > lane->slow) {
        path = PyObject_GetAttrString(request, "path");
        made = path ? PyObject_CallFunction(lane->learn, "OOd", path, Py_None, now - before) : NULL;
        Py_XDECREF(path);
        Py_XDECREF(made);
        if (!made)
            return -1;
    }
    return PyObject_SetAttr(lane->state, str_now, stamp);
}

/* After the call: whether this thread leads still (1, 0, -1), and the connection goes where its outcome says. */
static int conclude(Lane *lane, PyObject *conn, PyObject *request, PyObject *token, long outcome)
{
    PyObject *regained = PyObject_CallMethodNoArgs(token, str_regain), *now = NULL, *made = NULL;
    struct timespec clock;
    double seconds;
    int leading = regained ? PyObject_IsTrue(regained) : -1;
    Py_XDECREF(regained);
    if (leading < 0)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    seconds = (double)clock.tv_sec + (double)clock.tv_nsec * 1e-9;
    now = PyFloat_FromDouble(seconds);
    if (now && (!leading || note_time(lane, request, seconds, now) == 0)) {
        if (outcome == 0)
            made = PyObject_CallFunctionObjArgs(lane->keep, conn, now, NULL);
        else
            made = PyObject_CallMethod(lane->writer, "end", "Ol", conn, outcome);
    }
    Py_XDECREF(now);
    Py_XDECREF(made);
    return made ? leading : -1;
}

static PyObject *serve(Lane *lane, PyObject *conn, PyObject *token, PyObject *request, int is_head)
{
    PyObject *environ = PyObject_GetAttr(request, str_environ);
    Answer *answer = environ ? new_answer(lane, conn, request, is_head) : NULL;
    int leading = -1, keep = 0, http11 = 0, keepalive = 0;
    long outcome = -1;
    if (answer) {
        keep = is_true(request, str_keep_alive), http11 = is_true(request, str_http11);
        keepalive = is_true(lane->state, str_keepalive);
        if (keep >= 0 && http11 >= 0 && keepalive >= 0 && take_lead(lane, conn, token) == 0) {
            answer->keep = keep && keepalive, answer->http11 = (char)http11;
            outcome = run(answer, environ);
            release_answer(answer);
        }
    }
    Py_XDECREF(environ); /* foreign code may run in here, and anything may have changed behind this line */
    Py_XDECREF((PyObject *)answer);
    if (outcome >= 0)
        leading = conclude(lane, conn, request, token, outcome);
    return leading < 0 ? NULL : PyBool_FromLong(leading);
}

/* A whole plain request of `data`, new; NULL without an exception if Python should look at it. */
static PyObject *plain_request(Lane *lane, PyObject *conn, PyObject *sock, PyObject *data, int *is_head)
{
    PlainHead head;
    PyObject *request = NULL, *environ;
    const char *at = PyBytes_AS_STRING(data);
    Py_ssize_t body, size = PyBytes_GET_SIZE(data);
    int good;
    if (!read_plain_head(at, (size_t)size, &lane->bounds, &head))
        return NULL;
    body = body_length(&head);
    if (body < 0 || body > lane->body_buffer || body > size - (Py_ssize_t)head.consumed || may_run(lane, &head) <= 0)
        return NULL;
    if (make_request(lane, conn, &head, body, &request) <= 0)
        return NULL;
    environ = PyObject_GetAttr(request, str_environ);
    good = environ && put_input(lane, environ, at + head.consumed, body) == 0 && introduce(conn, sock, environ) == 0 &&
           begin_request(lane, conn, request, data, (Py_ssize_t)head.consumed + body) == 0;
    Py_XDECREF(environ);
    if (!good)
        Py_CLEAR(request);
    *is_head = head.method.size == 4 && head.method.at[0] == 'H';
    return request;
}

/* serve(conn, token): whether this thread leads still, or None if the turn is Python's and has not begun. */
static PyObject *lane_serve(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Lane *lane = (Lane *)self;
    PyObject *sock, *data, *request = NULL, *made = NULL, *client;
    int is_head = 0;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "serve takes a connection and a token");
    sock = PyObject_GetAttr(args[0], str_sock);
    client = sock ? PyObject_GetAttr(args[0], str_client_socket) : NULL;
    data = client == Py_None && (PyObject *)Py_TYPE(sock) == lane->socket_kind ? take_data(lane, args[0], sock) : NULL;
    Py_XDECREF(client);
    if (data && PyBytes_CheckExact(data)) {
        request = plain_request(lane, args[0], sock, data, &is_head);
        if (!request && !PyErr_Occurred() && PyObject_SetAttr(args[0], str_data, data) == 0)
            made = Py_NewRef(Py_None);
    } else if (!PyErr_Occurred()) {
        made = Py_NewRef(Py_None);
    }
    if (request)
        made = serve(lane, args[0], args[1], request, is_head);
    Py_XDECREF(request);
    Py_XDECREF(data);
    Py_XDECREF(sock);
    return made;
}

/* the type: made of the engine's parts, by keywords that are the names of its fields */

#define LANE_PARTS(_) \
    _(state) _(counters) _(pool) _(routes) _(monitor) _(call) _(writer) _(keep) _(learn) _(done) _(methods) _(targets) \
    _(keys) _(hosts) _(learn_target) _(request_kind) _(socket_kind) _(file_kind) _(bytes_io) _(health_path) _(names) \
    _(statuses) _(stamp_lines)

static int lane_traverse(PyObject *self, visitproc visit, void *arg)
{
#define VISIT(name) Py_VISIT(((Lane *)self)->name);
    LANE_PARTS(VISIT)
#undef VISIT
    return 0;
}

static int lane_clear(PyObject *self)
{
#define CLEAR(name) Py_CLEAR(((Lane *)self)->name);
    LANE_PARTS(CLEAR)
#undef CLEAR
    Py_CLEAR(((Lane *)self)->stamp);
    return 0;
}

static void lane_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)lane_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static int set_part(PyObject *parts, const char *name, PyObject **field)
{
    PyObject *part = PyDict_GetItemString(parts, name);
    if (!part) {
        PyErr_Format(PyExc_TypeError, "a lane needs %s", name);
        return -1;
    }
    Py_XSETREF(*field, Py_NewRef(part));
    return 0;
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *parts)
{
    Lane *lane;
    Py_ssize_t line, fields, size;
    Py_ssize_t body_buffer;
    double slow;
    if (!PyArg_ParseTuple(args, "nnnnd", &line, &fields, &size, &body_buffer, &slow))
        return NULL;
    if (!parts || !(lane = (Lane *)type->tp_alloc(type, 0)))
        return parts ? NULL : PyErr_Format(PyExc_TypeError, "a lane needs its parts");
#define SET(name) \
    if (set_part(parts, #name, &lane->name) < 0) { \
        Py_DECREF(lane); \
        return NULL; \
    }
    LANE_PARTS(SET)
#undef SET
    lane->bounds.line = (size_t)line, lane->bounds.fields = (size_t)fields, lane->bounds.size = (size_t)size;
    lane->body_buffer = body_buffer;
    lane->slow = slow;
    return (PyObject *)lane;
}

static PyMethodDef lane_methods[] = {
    {"serve", (PyCFunction)(void (*)(void))lane_serve, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject LaneType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hotswap.engine.native.lane.Lane",
    .tp_basicsize = sizeof(Lane),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = lane_traverse,
    .tp_clear = lane_clear,
    .tp_dealloc = lane_dealloc,
    .tp_methods = lane_methods,
    .tp_new = lane_new,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "hotswap.engine.native.lane", .m_doc = "The whole turn of a plain request.", .m_size = -1,
};

static int make_names(void)
{
#define MAKE_NAME(name) \
    if (!(str_##name = PyUnicode_InternFromString(#name))) \
        return -1;
    LANE_NAMES(MAKE_NAME)
#undef MAKE_NAME
    no_blocks = PyTuple_New(0);
    key_input = PyUnicode_InternFromString("wsgi.input");
    key_early_hints = PyUnicode_InternFromString("wsgi.early_hints");
    key_gunicorn_socket = PyUnicode_InternFromString("gunicorn.socket");
    key_werkzeug_socket = PyUnicode_InternFromString("werkzeug.socket");
    return no_blocks && key_input && key_early_hints && key_gunicorn_socket && key_werkzeug_socket ? 0 : -1;
}

PyMODINIT_FUNC PyInit_lane(void)
{
    PyObject *made;
    if (make_names() < 0 || PyType_Ready(&AnswerType) < 0 || PyType_Ready(&LaneType) < 0)
        return NULL;
    made = PyModule_Create(&module);
    if (made && PyModule_AddObjectRef(made, "Lane", (PyObject *)&LaneType) < 0)
        Py_CLEAR(made);
    return made;
}
