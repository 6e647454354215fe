# C types for wire/numbering.py, used when it is compiled. Bounds checks stay on: spans come from networks.
cimport cython

from wire.scanner cimport Scanner
from wire.watcher cimport read_number

@cython.final
cdef class Numbering:
    cdef Py_ssize_t _counter
    cdef Py_ssize_t _opcode
    cdef Py_ssize_t _width
    cdef Py_ssize_t _word
    cdef long long _ordinary
    cdef bint _little
    cdef object _resets
    cdef long long _gap
    cdef long long _next

    @cython.locals(value=cython.longlong)
    cpdef drop(self, bytes frame)

    @cython.locals(begin=Py_ssize_t, position=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t, counter=Py_ssize_t,
                   value=cython.longlong, opcode=cython.longlong, out=bytearray)
    cpdef bytes pass_on(self, bytes span, Scanner scanner)

    cdef bint _is_numbered(self, bytes span, Py_ssize_t start, Py_ssize_t length) except -1
