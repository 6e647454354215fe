# The compiled form of wire/memory.py, in C. Nothing is read here that may not be there: to prefetch cannot fail.
from cpython cimport array

cdef extern from *:
    void __builtin_prefetch(const void *place) noexcept nogil

cdef enum:
    PREFETCHES = 1
    _LINE_BYTES = 64

cdef inline void prefetch(object thing, Py_ssize_t size_bytes) noexcept:
    cdef const char *start = <const char *><void *>thing
    cdef Py_ssize_t place = 0
    while place < size_bytes:
        __builtin_prefetch(start + place)
        place += _LINE_BYTES

cdef inline void prefetch_amounts(array.array amounts) noexcept:
    if amounts is not None:
        __builtin_prefetch(amounts.data.as_chars)
