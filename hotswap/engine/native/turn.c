/* The whole turn of a plain request: the twin of RequestServer.serve_request.
 *
 * C only ever says "plain". Whatever else there is goes back to Python, which judges, refuses and remembers; what was
 * received then lies in the connection's `data`, where Python looks first. The GIL is held through recv and send, which
 * cannot wait; it changes hands only within calls of Python code, behind which everything is asked again.
 */
#include "lane.h"

#include <sys/socket.h>

#define RECV 16384 /* as connections/poller.py */

/* One turn. `conn` and `token` are the caller's. `stats`: what is known of a path whose calls are measured, else NULL. */
typedef struct {
    PyObject *conn, *token;
    PyObject *data, *target, *stats, *request;
    Py_ssize_t head_size, body_size; /* bytes at the beginning of `data` */
    int is_head, leads;
    Measure measure;
} Turn;

/* What there is to read, new; NULL without an exception: Python finds out what became of the connection. */
static PyObject *received(int fd)
{
    /* On the stack: while the application runs, another thread may lead, and receive. */
    char room[RECV];
    ssize_t count = recv(fd, room, sizeof room, MSG_DONTWAIT);
    return count > 0 ? PyBytes_FromStringAndSize(room, count) : NULL;
}

/* What the client has said, new; NULL, and there may be an exception. */
static PyObject *take_data(Lane *lane, PyObject *conn)
{
    PyObject *data = SLOT(conn, lane->in_connection.data);
    int fd;
    if (SLOT(conn, lane->in_connection.client_socket) != Py_None)
        return NULL;
    fd = plain_descriptor(lane, conn);
    if (fd < 0 || !PyBytes_CheckExact(data))
        return NULL;
    return PyBytes_GET_SIZE(data) ? Py_NewRef(data) : received(fd);
}

/* Whether a call that the leading thread makes leaves another thread that can lead: 1, 0 or -1. */
static int can_spare(Lane *lane)
{
    Py_ssize_t waiting = PyObject_Size(lane->jobs);
    long threads;
    if (waiting)
        return waiting < 0 ? -1 : 0;
    if (PyList_GET_SIZE(lane->idle))
        return 1;
    threads = PyLong_AsLong(SLOT(lane->pool, lane->in_pool.count));
    return PyErr_Occurred() ? -1 : threads < lane->bounds.threads;
}

/* What is known of a path whose calls are measured now, new: 1 and *stats, which is NULL for most; or -1. */
static int find_stats(Lane *lane, PyObject *path, PyObject **stats)
{
    PyObject *paths = Py_NewRef(SLOT(lane->routes, lane->in_routes.paths)); /* another dict may take its place */
    PyObject *found = PyDict_GetItemWithError(paths, path);
    double until, turns;
    if (found && (PyObject *)Py_TYPE(found) == lane->stats_kind) {
        until = PyFloat_AsDouble(SLOT(found, lane->in_stats.rest));
        turns = PyFloat_AsDouble(SLOT(lane->state, lane->in_state.turns));
        if (until <= turns)
            *stats = Py_NewRef(found);
    }
    Py_DECREF(paths);
    return PyErr_Occurred() ? -1 : 1;
}

/* Whether a thread may run a request of this target here: 1, 0 or -1. */
static int may_run(Lane *lane, Turn *turn)
{
    PyObject *path = PyTuple_GET_ITEM(turn->target, 1);
    int spare;
    if (PyUnicode_Compare(path, lane->health_path) == 0 || PyErr_Occurred())
        return PyErr_Occurred() ? -1 : 0;
    spare = can_spare(lane);
    return spare == 1 ? find_stats(lane, path, &turn->stats) : spare;
}

/* Which client this is, and how to talk to it directly. */
static int introduce(Lane *lane, PyObject *conn, PyObject *environ)
{
    PyObject *peer = SLOT(conn, lane->in_connection.peer), *sock = SLOT(conn, lane->in_connection.sock);
    int failed;
    if (PyTuple_CheckExact(peer) && PyTuple_GET_SIZE(peer) >= 2)
        failed = PyDict_SetItem(environ, str_REMOTE_ADDR, PyTuple_GET_ITEM(peer, 0)) < 0 ||
                 set_item_free(environ, str_REMOTE_PORT, text_of_number(PyTuple_GET_ITEM(peer, 1))) < 0;
    else
        failed = PyDict_SetItem(environ, str_REMOTE_ADDR, peer) < 0;
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

/* The connection has yet to serve what comes behind so many bytes of the turn's data. */
static int leave_data(Lane *lane, Turn *turn, Py_ssize_t served)
{
    Py_ssize_t left = PyBytes_GET_SIZE(turn->data) - served;
    PyObject *rest = left ? PyBytes_FromStringAndSize(PyBytes_AS_STRING(turn->data) + served, left) : Py_NewRef(no_bytes);
    return set_slot(turn->conn, lane->in_connection.data, rest);
}

/* A whole plain request of the turn's data: 1, 0 if Python should look at it, -1. */
static int read_request(Lane *lane, Turn *turn)
{
    PlainHead head;
    PyObject *environ;
    const char *at = PyBytes_AS_STRING(turn->data);
    Py_ssize_t body, size = PyBytes_GET_SIZE(turn->data);
    int good;
    if (!read_plain_head(at, (size_t)size, &lane->bounds.head, &head))
        return 0;
    turn->head_size = (Py_ssize_t)head.consumed, turn->body_size = body = body_length(&head);
    if (body < 0 || body > lane->bounds.body_buffer || body > size - turn->head_size)
        return 0;
    turn->target = know_target(lane, head.target);
    if (!turn->target)
        return PyErr_Occurred() ? -1 : 0;
    good = may_run(lane, turn);
    if (good == 1)
        good = make_request(lane, turn->conn, &head, turn->target, body, &turn->request);
    if (good != 1)
        return good;
    environ = SLOT(turn->request, lane->in_request.environ);
    turn->is_head = head.method.size == 4 && head.method.at[0] == 'H';
    if (put_input(lane, environ, at + turn->head_size, body) < 0 || introduce(lane, turn->conn, environ) < 0)
        return -1;
    return leave_data(lane, turn, turn->head_size + body) < 0 ? -1 : 1;
}

/* A path that blocks as a rule loses the lead before its call: 1 if it may be made now, 0 if another thread has got it. */
static int expect_block(Lane *lane, Turn *turn)
{
    int blocks = truth_of(PyObject_CallMethodOneArg(turn->stats, str_blocks, SLOT(lane->state, lane->in_state.now))), given;
    if (blocks < 0)
        return -1;
    if (!blocks)
        return truth_of(PyObject_CallOneArg(lane->look_closely, turn->stats)) < 0 ? -1 : 1;
    /* The thread that may get the request instead reads its body anew, from here. */
    if (turn->body_size && leave_data(lane, turn, turn->head_size) < 0)
        return -1;
    given = truth_of(PyObject_CallOneArg(lane->give_lead_away, turn->conn));
    turn->leads = given <= 0;
    if (given == 1 && turn->body_size && leave_data(lane, turn, turn->head_size + turn->body_size) < 0)
        return -1;
    return given;
}

/* The request begins: 1, 0 if it is another thread's now, -1. */
static int begin(Lane *lane, Turn *turn)
{
    PyObject *now = SLOT(lane->state, lane->in_state.now);
    if (set_slot(turn->request, lane->in_request.started, Py_NewRef(now)) < 0 ||
        set_slot(turn->conn, lane->in_connection.request, Py_NewRef(turn->request)) < 0)
        return -1;
    turn->leads = 1;
    if (turn->stats && PyFloat_AsDouble(SLOT(turn->stats, lane->in_stats.average)) > lane->bounds.rule) {
        int here = expect_block(lane, turn);
        if (here != 1)
            return here;
    }
    return count_up(lane->counters, lane->in_counters.requests) < 0 ? -1 : 1;
}

/* From here on another thread may take the lead, until `regain`; the monitor looks whether one has to. */
static int offer_lead(Lane *lane, Turn *turn)
{
    int sleeps;
    if (count_up(lane->state, lane->in_state.turns) < 0 ||
        PyList_Append(SLOT(turn->token, lane->in_token._running), turn->conn) < 0)
        return -1;
    sleeps = is_set(lane->monitor, lane->in_monitor.sleeps);
    return sleeps > 0 ? truth_of(PyObject_CallMethodNoArgs(lane->monitor, str_wake)) : sleeps;
}

/* As LeadToken.regain, which waits for the thread that has taken the lead. */
static int regain(Lane *lane, Turn *turn)
{
    PyObject *running = SLOT(turn->token, lane->in_token._running);
    if (PyList_GET_SIZE(running))
        return PyList_SetSlice(running, 0, PyList_GET_SIZE(running), NULL) < 0 ? -1 : 1;
    return truth_of(PyObject_CallMethodNoArgs(turn->token, str_regain));
}

/* After a call with the lead: what it says of its path. */
static int learn(Lane *lane, Turn *turn, double now)
{
    double took = now - PyFloat_AsDouble(SLOT(lane->state, lane->in_state.now));
    PyObject *blocked = Py_None;
    if (!turn->stats && took <= lane->bounds.slow)
        return 0;
    if (turn->stats && turn->measure.blocked >= 0)
        blocked = turn->measure.blocked ? Py_True : Py_False;
    return truth_of(PyObject_CallFunction(lane->learn, "OOd", PyTuple_GET_ITEM(turn->target, 1), blocked, took));
}

/* After the call: whether this thread leads still (1, 0, -1), and the connection goes where its outcome says. */
static int conclude(Lane *lane, Turn *turn, long outcome)
{
    int leading = turn->leads ? regain(lane, turn) : 0;
    double now = clock_now();
    if (leading < 0)
        return -1;
    if (leading && (learn(lane, turn, now) < 0 || set_slot(lane->state, lane->in_state.now, PyFloat_FromDouble(now)) < 0))
        return -1;
    return end_turn(lane, turn->conn, outcome, now) < 0 ? -1 : leading;
}

/* The application's call and its answer: KEEP, CLOSE, FLUSH or DROP, -1 with an exception. */
static long call(Lane *lane, Turn *turn)
{
    PyObject *environ = SLOT(turn->request, lane->in_request.environ);
    Answer *answer = new_answer(lane, turn->conn, turn->request, turn->is_head);
    int keep = is_set(turn->request, lane->in_request.keep_alive), http11 = is_set(turn->request, lane->in_request.http11);
    int keepalive = is_set(lane->state, lane->in_state.keepalive);
    long outcome = -1;
    if (answer && keep >= 0 && http11 >= 0 && keepalive >= 0 && (!turn->leads || offer_lead(lane, turn) >= 0)) {
        answer->keep = keep && keepalive, answer->http11 = (char)http11;
        outcome = run(answer, environ, turn->stats && turn->leads ? &turn->measure : NULL);
        release_answer(answer);
    }
    Py_XDECREF((PyObject *)answer);
    return outcome;
}

static int carry_out(Lane *lane, Turn *turn)
{
    int here = begin(lane, turn);
    long outcome;
    if (here != 1)
        return here < 0 ? -1 : LEADING;
    outcome = call(lane, turn);
    return outcome < 0 ? -1 : conclude(lane, turn, outcome);
}

int serve_turn(Lane *lane, PyObject *conn, PyObject *token)
{
    Turn turn = {.conn = conn, .token = token};
    int leading;
    turn.data = take_data(lane, conn);
    leading = turn.data ? read_request(lane, &turn) : PyErr_Occurred() ? -1 : 0;
    if (leading == 1)
        leading = carry_out(lane, &turn);
    else if (leading == 0)
        leading = turn.data && set_slot(conn, lane->in_connection.data, Py_NewRef(turn.data)) < 0 ? -1 : NOT_PLAIN;
    Py_XDECREF(turn.request); /* foreign code may run in here */
    Py_XDECREF(turn.stats);
    Py_XDECREF(turn.target);
    Py_XDECREF(turn.data);
    return leading;
}
