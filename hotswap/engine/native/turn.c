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

/* The descriptor of a connection's socket, -1 where it is no plain socket (or, with an exception, fails). */
int plain_descriptor(Lane *lane, PyObject *sock)
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
    ssize_t count = recv(fd, room, sizeof room, MSG_DONTWAIT);
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

/* From here on another thread may take the lead, until `conclude`; the monitor looks whether one has to. */
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
PyObject *lane_serve(PyObject *self, PyObject *const *args, Py_ssize_t count)
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
