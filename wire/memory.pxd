# The compiled form of wire/memory.py, in C. Nothing is read here that may not be there: to prefetch cannot fail.
from cpython cimport array

cdef extern from *:
    void __builtin_prefetch(const void *place) noexcept nogil

cdef enum:
    PREFETCHES = 1
    _LINE_BYTES = 64

cdef inline void prefetch(object thing, Py_ssize_t size_bytes) noexcept:
    cdef size_t end = <size_t><void *>thing + size_bytes
    cdef size_t place = <size_t><void *>thing & ~<size_t>(_LINE_BYTES - 1)  # objects begin anywhere in a line
    while place < end:
        __builtin_prefetch(<const void *>place)
        place += _LINE_BYTES

cdef inline void prefetch_amounts(array.array amounts) noexcept:
    if amounts is not None:
        __builtin_prefetch(amounts.data.as_chars)
        __builtin_prefetch(amounts.data.as_chars + _LINE_BYTES)  # the first ones may begin at the end of a line
