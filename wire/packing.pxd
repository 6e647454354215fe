# The compiled form of wire/packing.py: the same, in C. Who compiles against it never imports that module's.
from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport Py_SIZE
from libc.string cimport memcpy

cdef extern from "Python.h":
    ctypedef struct _ByteArray "PyByteArrayObject":
        Py_ssize_t ob_alloc

cdef inline int append_packed(
    bytearray batch, unsigned long long slot, unsigned long long kind_and_length, bytes payload
) except -1:
    cdef Py_ssize_t start = PyByteArray_GET_SIZE(batch)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef unsigned char *place
    if start + 8 + size >= (<_ByteArray *>batch).ob_alloc:  # by itself it grows by an eighth, and copies all of it
        PyByteArray_Resize(batch, 2 * (start + 8 + size))
    PyByteArray_Resize(batch, start + 8 + size)
    place = <unsigned char *>PyByteArray_AS_STRING(batch) + start
    place[0] = (slot >> 24) & 0xFF
    place[1] = (slot >> 16) & 0xFF
    place[2] = (slot >> 8) & 0xFF
    place[3] = slot & 0xFF
    place[4] = (kind_and_length >> 24) & 0xFF
    place[5] = (kind_and_length >> 16) & 0xFF
    place[6] = (kind_and_length >> 8) & 0xFF
    place[7] = kind_and_length & 0xFF
    memcpy(place + 8, PyBytes_AS_STRING(payload), size)
    return 0

cdef inline bytes take_all(bytearray batch):
    cdef bytes taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(batch), PyByteArray_GET_SIZE(batch))
    PyByteArray_Resize(batch, 0)
    return taken

cdef inline bytes join(bytearray head, Py_ssize_t size, bytes body):
    cdef bytes joined
    if head is None or body is None or not 0 <= size <= PyByteArray_GET_SIZE(head):
        raise IndexError(f"{size} bytes")
    joined = PyBytes_FromStringAndSize(NULL, size + PyBytes_GET_SIZE(body))
    memcpy(PyBytes_AS_STRING(joined), PyByteArray_AS_STRING(head), size)
    memcpy(PyBytes_AS_STRING(joined) + size, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
    return joined

cdef inline bytes cut(bytes data, Py_ssize_t start, Py_ssize_t end):
    if data is None or not 0 <= start <= end <= PyBytes_GET_SIZE(data):
        raise IndexError(f"bytes {start} to {end}")
    if end - start == PyBytes_GET_SIZE(data):
        return data
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, end - start)

cdef inline Py_ssize_t find_unlike(bytes data, Py_ssize_t start, Py_ssize_t end, bytes table, int kind) except -1:
    cdef const unsigned char *found
    cdef const unsigned char *kinds
    if data is None or table is None or not 0 <= start <= end <= PyBytes_GET_SIZE(data) or PyBytes_GET_SIZE(table) != 256:
        raise IndexError(f"bytes {start} to {end}")
    found = <const unsigned char *>PyBytes_AS_STRING(data)
    kinds = <const unsigned char *>PyBytes_AS_STRING(table)
    while start < end and kinds[found[start]] == kind:
        start += 1
    return start

cdef inline Py_ssize_t count_amounts(array.array amounts) except -1:
    if amounts is None:
        raise TypeError("no numbers")
    return Py_SIZE(amounts)

cdef inline long long read_amount(array.array amounts, Py_ssize_t place) except? -1:
    if amounts is None or amounts.ob_descr.itemsize != 8 or not 0 <= place < Py_SIZE(amounts):
        raise IndexError(f"number {place}")
    return amounts.data.as_longlongs[place]

cdef inline int write_amount(array.array amounts, Py_ssize_t place, long long amount) except -1:
    if amounts is None or amounts.ob_descr.itemsize != 8 or not 0 <= place < Py_SIZE(amounts):
        raise IndexError(f"number {place}")
    amounts.data.as_longlongs[place] = amount
    return 0
