# C types for wire/liveness.py, used when it is compiled. What the other end says may be any number: an object.
cimport cython
from libc.stdint cimport int64_t

cdef int64_t _SLEPT_NS

@cython.final
cdef class Liveness:
    cdef readonly object round_trip_ns
    cdef readonly object least_round_trip_ns
    cdef readonly object jitter_ns
    cdef int _silent_ticks
    cdef double _beats_left
    cdef int64_t _last_tick_ns
    cdef object _began_ns
    cdef object _echo_ns
    cdef object _heard_ns
    cdef object _transit_ns

    cpdef heard(self)
    cpdef bint slept(self, int64_t now_ns) except -1
    cdef _measure(self, object round_trip_ns)
