# C types for wire/delivery.py, used when it is compiled.
cimport cython
from libc.stdint cimport uint64_t

@cython.final
cdef class Numbered:
    cdef readonly uint64_t number
    cdef readonly object message
    cdef readonly Py_ssize_t size_bytes

@cython.final
cdef class Delivery:
    cdef public uint64_t sent
    cdef public uint64_t acknowledged
    cdef public uint64_t received
    cdef public uint64_t resent
    cdef public Py_ssize_t unwritten_bytes
    cdef public Py_ssize_t unacknowledged_bytes
    cdef uint64_t _newest_written
    cdef object _unwritten
    cdef object _written

    cpdef bint has_unwritten(self) except -1
    @cython.locals(numbered=Numbered)
    cpdef Py_ssize_t next_bytes(self) except -1
    cpdef add(self, object message, Py_ssize_t size_bytes)
    @cython.locals(numbered=Numbered)
    cpdef Numbered take(self)
    @cython.locals(last=Numbered, last_written=uint64_t)
    cpdef accept(self, uint64_t number, uint64_t acknowledged)
    @cython.locals(oldest=Numbered)
    cdef _forget(self, uint64_t acknowledged)
