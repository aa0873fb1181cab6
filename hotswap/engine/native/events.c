/* The events of one look at epoll, on the leading thread: the twin of EventLoop._serve_each. */
#include "lane.h"

/* The owner of this descriptor's connection is the calling thread now, as after `owned.pop`: 1, 0 if there is none, -1. */
static int acquire(Lane *lane, PyObject *fd, PyObject **conn)
{
    /* Between these two nothing of Python's can run: the keys are numbers. */
    *conn = PyDict_GetItemWithError(lane->owned, fd);
    if (!*conn)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(*conn);
    return PyDict_DelItem(lane->owned, fd) < 0 ? -1 : 1;
}

static int is_idle(Lane *lane, PyObject *conn)
{
    return (PyObject *)Py_TYPE(conn) == lane->connection_kind && SLOT(conn, lane->in_connection.phase) == idle_phase;
}

/* A fault of ours, or of a logger: it costs this connection, not the others. The exception that stands is over then. */
static int after_fault(Lane *lane, PyObject *conn, PyObject *token)
{
    PyObject *error = take_error();
    int leading = truth_of(PyObject_CallFunctionObjArgs(lane->fault, conn, token, error, NULL));
    Py_XDECREF(error);
    return leading;
}

static int serve_event(Lane *lane, PyObject *fd, PyObject *mask, PyObject *token)
{
    PyObject *conn = NULL;
    int leading, acquired = acquire(lane, fd, &conn);
    if (!acquired)
        return truth_of(PyObject_CallFunctionObjArgs(lane->other_event, fd, mask, NULL));
    leading = acquired < 0 ? -1 : is_idle(lane, conn) ? serve_turn(lane, conn, token) : NOT_PLAIN;
    if (leading == NOT_PLAIN) /* which ends what goes wrong in it by itself */
        leading = truth_of(PyObject_CallFunctionObjArgs(lane->go_on, conn, mask, token, NULL));
    else if (leading < 0 && conn)
        leading = after_fault(lane, conn, token);
    Py_XDECREF(conn);
    return leading;
}

static int serve_events(Lane *lane, PyObject *events, PyObject *token)
{
    Py_ssize_t i;
    int leading = 1;
    for (i = 0; leading == 1 && i < PyList_GET_SIZE(events); i++) {
        PyObject *event = PyList_GET_ITEM(events, i);
        if (!PyTuple_CheckExact(event) || PyTuple_GET_SIZE(event) != 2) {
            PyErr_SetString(PyExc_TypeError, "an event is a descriptor and a mask");
            return -1;
        }
        leading = serve_event(lane, PyTuple_GET_ITEM(event, 0), PyTuple_GET_ITEM(event, 1), token);
    }
    return leading;
}

/* serve_events(events, token): whether this thread leads still. `events`: a list of (descriptor, mask). */
PyObject *lane_serve_events(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Lane *lane = (Lane *)self;
    int leading;
    if (count != 2 || !PyList_CheckExact(args[0]) || (PyObject *)Py_TYPE(args[1]) != lane->token_kind)
        return PyErr_Format(PyExc_TypeError, "serve_events takes a list and a token");
    leading = serve_events(lane, args[0], args[1]);
    return leading < 0 ? NULL : PyBool_FromLong(leading);
}
