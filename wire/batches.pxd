# C types for wire/batches.py, used when it is compiled. Bounds checks stay on: `data` comes from a network.
cimport cython
from libc.stdint cimport int64_t, uint64_t

from wire cimport packing

cdef int _SEQUENCE, _ACKNOWLEDGED, _BATCH, _CHUNKS, _VARINT_BITS
cdef Py_ssize_t _LONGEST_HEAD

@cython.final
cdef class Batch:
    cdef public bytes chunks
    cdef public uint64_t sequence
    cdef public uint64_t acknowledged

    @cython.locals(head=bytearray, size=Py_ssize_t, place=Py_ssize_t)
    cpdef bytes SerializeToString(self)

@cython.locals(reader=_Reader, tag=int, sequence=int64_t, acknowledged=int64_t)
cpdef Batch parse_batch(bytes data)

@cython.final
cdef class _Reader:
    cdef bytes _data
    cdef Py_ssize_t place
    cdef bint is_broken

    cdef int tag(self) except -1
    @cython.locals(value=int64_t, shift=int, byte=int64_t)
    cdef int64_t varint(self) except -1
    cdef bint is_rest(self, int64_t size) except -1

cdef Py_ssize_t write_varint(bytearray head, Py_ssize_t place, uint64_t value) except -1
cdef Py_ssize_t varint_bytes(uint64_t value) except -1
