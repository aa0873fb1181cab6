/* One plain answer, as the application and loggers see it. */
#include "lane.h"

PyObject *left_to_python(Answer *answer)
{
    PyObject *arguments[3], *response, *done;
    if (answer->response)
        return answer->response;
    if (!answer->conn) {
        PyErr_SetString(PyExc_AttributeError, "the request is over");
        return NULL;
    }
    arguments[0] = answer->lane->call, arguments[1] = answer->conn, arguments[2] = answer->request;
    response = PyObject_VectorcallMethod(str_response_to, arguments, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (!response)
        return NULL;
    if (answer->status) {
        PyObject *text = PyUnicode_DecodeLatin1(PyBytes_AS_STRING(answer->text), PyBytes_GET_SIZE(answer->text), NULL);
        PyObject *length = answer->length < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(answer->length);
        done = NULL;
        if (text && length)
            done = PyObject_CallMethod(response, "take_over", "OOOlOOiin", answer->status, answer->headers, answer->line,
                                       answer->code, text, length, (int)answer->headers_sent, (int)answer->done,
                                       answer->sent);
        Py_XDECREF(text);
        Py_XDECREF(length);
        if (!done) {
            Py_DECREF(response);
            return NULL;
        }
        Py_DECREF(done);
    }
    if (!answer->conn && !answer->response) { /* the request has ended while Python ran in here */
        Py_DECREF(response);
        PyErr_SetString(PyExc_AttributeError, "the request is over");
        return NULL;
    }
    if (answer->response) { /* another thread has spoken through `write` while Python ran in here: there is one only */
        Py_DECREF(response);
        return answer->response;
    }
    answer->response = response;
    return response;
}

static PyObject *leave_call(Answer *answer, PyObject *name, PyObject *args, PyObject *kwargs)
{
    PyObject *response = left_to_python(answer), *method, *result;
    if (!response)
        return NULL;
    Py_INCREF(response); /* the call may release the answer */
    method = PyObject_GetAttr(response, name);
    result = method ? PyObject_Call(method, args, kwargs) : NULL;
    Py_XDECREF(method);
    Py_DECREF(response);
    return result;
}

static PyObject *answer_write(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return leave_call((Answer *)self, str_write, args, kwargs);
}

static PyObject *answer_early_hints(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return leave_call((Answer *)self, str_early_hints, args, kwargs);
}

static PyObject *answer_start_response(PyObject *self, PyObject *args, PyObject *kwargs);

enum { START_RESPONSE, WRITE, EARLY_HINTS };

static PyMethodDef answer_methods[] = {
    [START_RESPONSE] = {"start_response", (PyCFunction)(void (*)(void))answer_start_response, METH_VARARGS | METH_KEYWORDS, NULL},
    [WRITE] = {"write", (PyCFunction)(void (*)(void))answer_write, METH_VARARGS | METH_KEYWORDS, NULL},
    [EARLY_HINTS] = {"early_hints", (PyCFunction)(void (*)(void))answer_early_hints, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyObject *answer_start_response(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Answer *answer = (Answer *)self;
    if (!kwargs && PyTuple_GET_SIZE(args) == 2) {
        int taken = take_plain(answer, PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1));
        if (taken < 0)
            return NULL;
        if (taken)
            return PyCFunction_New(&answer_methods[WRITE], self);
    }
    return leave_call(answer, str_start_response, args, kwargs);
}

PyObject *start_response_of(Answer *answer)
{
    return PyCFunction_New(&answer_methods[START_RESPONSE], (PyObject *)answer);
}

PyObject *early_hints_of(Answer *answer)
{
    return PyCFunction_New(&answer_methods[EARLY_HINTS], (PyObject *)answer);
}

static int answer_traverse(PyObject *self, visitproc visit, void *arg)
{
    Answer *answer = (Answer *)self;
    Py_VISIT((PyObject *)answer->lane);
    Py_VISIT(answer->conn);
    Py_VISIT(answer->request);
    Py_VISIT(answer->headers);
    Py_VISIT(answer->response);
    return 0;
}

void release_answer(Answer *answer)
{
    Py_CLEAR(answer->request);
    Py_CLEAR(answer->conn);
}

static int answer_clear(PyObject *self)
{
    Answer *answer = (Answer *)self;
    release_answer(answer);
    Py_CLEAR(answer->status);
    Py_CLEAR(answer->headers);
    Py_CLEAR(answer->line);
    Py_CLEAR(answer->text);
    Py_CLEAR(answer->response);
    Py_CLEAR(answer->lane);
    return 0;
}

static void answer_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)answer_clear(self);
    Py_TYPE(self)->tp_free(self);
}

Answer *new_answer(Lane *lane, PyObject *conn, PyObject *request, int is_head)
{
    Answer *answer = (Answer *)AnswerType.tp_alloc(&AnswerType, 0);
    if (!answer)
        return NULL;
    answer->lane = (Lane *)Py_NewRef((PyObject *)lane);
    answer->conn = Py_NewRef(conn);
    answer->request = Py_NewRef(request);
    answer->is_head = (char)is_head;
    answer->length = -1;
    return answer;
}

/* What loggers read, by gunicorn's names. */
static PyObject *or_none(PyObject *value)
{
    return Py_NewRef(value ? value : Py_None);
}

static PyObject *get_status(PyObject *self, void *unused)
{
    (void)unused;
    return or_none(((Answer *)self)->status);
}

static PyObject *get_headers(PyObject *self, void *unused)
{
    (void)unused;
    return or_none(((Answer *)self)->headers);
}

static PyObject *get_code(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(((Answer *)self)->code);
}

static PyObject *get_sent(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((Answer *)self)->sent);
}

static PyObject *get_length(PyObject *self, void *unused)
{
    (void)unused;
    return ((Answer *)self)->length < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(((Answer *)self)->length);
}

static PyObject *get_headers_sent(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((Answer *)self)->headers_sent);
}

static PyGetSetDef answer_getset[] = {
    {"status", get_status, NULL, NULL, NULL},
    {"headers", get_headers, NULL, NULL, NULL},
    {"code", get_code, NULL, NULL, NULL},
    {"status_code", get_code, NULL, NULL, NULL},
    {"sent", get_sent, NULL, NULL, NULL},
    {"length", get_length, NULL, NULL, NULL},
    {"response_length", get_length, NULL, NULL, NULL},
    {"headers_sent", get_headers_sent, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject AnswerType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hotswap.engine.native.lane.Answer",
    .tp_basicsize = sizeof(Answer),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = answer_traverse,
    .tp_clear = answer_clear,
    .tp_dealloc = answer_dealloc,
    .tp_getset = answer_getset,
    .tp_methods = answer_methods,
};
