# C types for wire/scanner.py, used when it is compiled. Bounds checks stay on: `data` comes from a network.
cimport cython

@cython.final
cdef class Scanner:
    cdef object _layout
    cdef tuple _bare
    cdef Py_ssize_t _header
    cdef Py_ssize_t _offset
    cdef Py_ssize_t _width
    cdef Py_ssize_t _adjust
    cdef bint _little
    cdef Py_ssize_t _minimum
    cdef Py_ssize_t _maximum
    cdef bytearray _carry
    cdef Py_ssize_t _needed
    cdef long long _passed
    cdef public long long frames
    cdef public object fault

    @cython.locals(end=Py_ssize_t)
    cpdef bytes feed(self, bytes data)

    @cython.locals(position=Py_ssize_t, end=Py_ssize_t)
    cpdef Py_ssize_t whole_frames_within(self, bytes span, Py_ssize_t limit_bytes) except -1

    @cython.locals(frames=cython.longlong)
    cpdef bint take_whole(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

    @cython.locals(position=Py_ssize_t, header=Py_ssize_t, length=Py_ssize_t)
    cdef Py_ssize_t _scan(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

    @cython.locals(position=Py_ssize_t, width=Py_ssize_t, value=Py_ssize_t, index=Py_ssize_t)
    cpdef Py_ssize_t length_at(self, bytes data, Py_ssize_t start) except? -1
