# C types for wire/interest.py, used when it is compiled. Bounds checks stay on: spans come from networks.
cimport cython

from wire.scanner cimport Scanner
from wire.watcher cimport read_number

@cython.final
cdef class Interest:
    cdef object _wanted
    cdef dict _selectors
    cdef bytes _flags
    cdef Py_ssize_t _offset
    cdef Py_ssize_t _width
    cdef Py_ssize_t _body
    cdef bint _little

    @cython.locals(size=Py_ssize_t, header=Py_ssize_t, length=Py_ssize_t, opcode=cython.longlong, flags=bytes,
                   is_wanted=bint)
    cpdef Py_ssize_t find(self, bytes span, Scanner scanner, Py_ssize_t position, long long own=*,
                          long long also_own=*) except -2

    @cython.locals(position=Py_ssize_t, value=cython.longlong)
    cdef bint _selected(self, long long opcode, bytes span, Py_ssize_t start, Py_ssize_t end, long long own,
                        long long also_own) except -1
