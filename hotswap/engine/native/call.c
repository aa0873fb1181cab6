/* The application's call, and what becomes of its answer: sent from here while it is plain, and else left to Python. */
#include "lane.h"

#include <sys/socket.h>

/* Called with or without an exception; returns the outcome of Python's `fail` or `finish`, -1 with an exception. */
static long outcome_of(PyObject *made)
{
    long outcome = made ? PyLong_AsLong(made) : -1;
    Py_XDECREF(made);
    return outcome;
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

/* A process that the application has forked behind its answer ends in here: in a child, each engine seems to drain. */
static int end_if_child(Lane *lane)
{
    int draining = is_set(lane->state, lane->in_state.draining);
    return draining > 0 ? truth_of(PyObject_CallMethodNoArgs(lane->state, str_end_child)) : draining;
}

/* The answer is with its client, to the last byte: count it, log it. */
static long succeed(Answer *answer)
{
    Lane *lane = answer->lane;
    int keep = answer->keep, counted;
    if (end_if_child(lane) < 0)
        return -1;
    if (answer->code < 300)
        counted = count_up(lane->counters, lane->in_counters.succeeded);
    else
        counted = truth_of(PyObject_CallMethod(lane->counters, "answered", "l", answer->code));
    if (counted < 0)
        return -1;
    if (lane->done != Py_None &&
        truth_of(PyObject_CallFunctionObjArgs(lane->done, (PyObject *)answer, answer->request, NULL)) < 0)
        return -1;
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
    PyObject *made, *rest;
    ssize_t sent = -1;
    long outcome;
    int fd, good = make_answer(answer, body, blocks == NULL, &made);
    if (good < 0)
        return fail_open(answer, result);
    if (!good)
        return blocks ? finish(answer, result, NULL, body, blocks) : finish(answer, result, NULL, NULL, result);
    fd = plain_descriptor(answer->lane, answer->conn);
    if (!PyErr_Occurred() && fd >= 0)
        sent = send(fd, PyBytes_AS_STRING(made), (size_t)PyBytes_GET_SIZE(made), MSG_DONTWAIT | MSG_NOSIGNAL);
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

static PyObject *call_application(Answer *answer, PyObject *environ, PyObject *start, Measure *measure)
{
    Lane *lane = answer->lane;
    PyObject *app = PyObject_GetAttr(SLOT(answer->conn, lane->in_connection.site), str_app), *result;
    if (!app)
        return NULL;
    if (measure)
        begin_measure(measure);
    result = PyObject_CallFunctionObjArgs(app, environ, start, NULL);
    if (measure && result)
        end_measure(&lane->bounds, measure);
    Py_DECREF(app);
    return result;
}

long run(Answer *answer, PyObject *environ, Measure *measure)
{
    PyObject *start = start_response_of(answer), *result = NULL;
    PyObject *hints = start ? early_hints_of(answer) : NULL;
    long outcome;
    if (hints && PyDict_SetItem(environ, key_early_hints, hints) == 0)
        result = call_application(answer, environ, start, measure);
    outcome = result ? answer_with(answer, result) : fail(answer);
    Py_XDECREF(result);
    Py_XDECREF(hints);
    Py_XDECREF(start);
    return outcome;
}
