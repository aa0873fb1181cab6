/* What becomes of a connection after its turn: the twin of IdleConnections.keep, where it just waits for more. */
#include "lane.h"

#include <time.h>

#define KEEP 0 /* as in connections/answer_writer.py */

double clock_now(void)
{
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return (double)clock.tv_sec + (double)clock.tv_nsec * 1e-9;
}

int plain_descriptor(Lane *lane, PyObject *conn)
{
    PyObject *sock = SLOT(conn, lane->in_connection.sock), *number;
    long fd;
    if ((PyObject *)Py_TYPE(sock) != lane->socket_kind)
        return -1;
    number = lane->fileno ? lane->fileno(sock, NULL) : PyObject_CallMethodNoArgs(sock, str_fileno);
    fd = number ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return (int)fd;
}

/* Whether only `owned` has to know of it: 1, 0, or -1 with an exception. */
static int waits_as_usual(Lane *lane, PyObject *conn, double deadline)
{
    const StateSlots *in = &lane->in_state;
    PyObject *data = SLOT(conn, lane->in_connection.data), *fd = SLOT(conn, lane->in_connection.fd);
    int parked = PyDict_Contains(lane->parked, fd), leaving = is_set(lane->state, in->leaving);
    int stopped = is_set(lane->state, in->stopped);
    if (parked < 0 || leaving < 0 || stopped < 0)
        return -1;
    /* The application may have closed the socket. Then the number may be another connection's by now. */
    if (parked || leaving || stopped || plain_descriptor(lane, conn) != PyLong_AsLong(fd))
        return PyErr_Occurred() ? -1 : 0;
    return PyLong_AsLong(SLOT(conn, lane->in_connection.polled)) == lane->bounds.readable && PyBytes_CheckExact(data) &&
           PyBytes_GET_SIZE(data) == 0 && deadline >= PyFloat_AsDouble(SLOT(lane->state, in->next_tick));
}

static int keep(Lane *lane, PyObject *conn, double now)
{
    const ConnectionSlots *in = &lane->in_connection;
    double deadline = now + lane->bounds.keepalive;
    PyObject *moment;
    int usual;
    /* What ends here is the engine's own: the turn holds the request, and with it all that is the application's. */
    if (set_slot(conn, in->request, Py_NewRef(Py_None)) < 0 || set_slot(conn, in->work, Py_NewRef(Py_None)) < 0 ||
        set_slot(conn, in->phase, Py_NewRef(idle_phase)) < 0 || set_slot(conn, in->deadline, PyFloat_FromDouble(deadline)) < 0)
        return -1;
    usual = waits_as_usual(lane, conn, deadline);
    /* No thread can run between the question and the act, which Python's own keep() has to ask again after it. */
    if (usual)
        return usual < 0 ? -1 : PyDict_SetItem(lane->owned, SLOT(conn, in->fd), conn);
    moment = PyFloat_FromDouble(now);
    usual = moment ? truth_of(PyObject_CallFunctionObjArgs(lane->keep, conn, moment, NULL)) : -1;
    Py_XDECREF(moment);
    return usual < 0 ? -1 : 0;
}

int end_turn(Lane *lane, PyObject *conn, long outcome, double now)
{
    if (outcome == KEEP)
        return keep(lane, conn, now);
    return truth_of(PyObject_CallMethod(lane->writer, "end", "Ol", conn, outcome)) < 0 ? -1 : 0;
}
