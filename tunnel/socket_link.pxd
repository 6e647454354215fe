# C types for tunnel/socket_link.py, used when it is compiled.
cimport cython
from tunnel.link cimport LinkEvents
from tunnel.poller cimport Pollable, Poller
from tunnel cimport system

cdef unsigned int _WRITABLE, _NEARLY_OVER, _NEWS
cdef Py_ssize_t _READ_BYTES, _READS_AT_ONCE

cdef class SocketLink(Pollable):
    cdef public LinkEvents events
    cdef Poller _poller
    cdef object _socket
    cdef int _descriptor
    cdef double _linger_seconds
    cdef object _timer
    cdef list _queued
    cdef bytearray _kept
    cdef bint _has_news
    cdef bint _is_nearly_over
    cdef bint _peer_ended
    cdef bint _paused
    cdef bint _is_standing
    cdef bint _closing
    cdef bint _closes_when_sent
    cdef bint _has_ended
    cdef bint _is_patient
    cdef bint _is_full

    cpdef ready(self, unsigned int mask)
    cdef prefetch(self, int depth)
    @cython.locals(reads=int, data=bytes, events=LinkEvents)
    cpdef read(self)
    @cython.locals(queued=list, data=bytes, sent=Py_ssize_t)
    cpdef flush(self)
    cpdef fail(self, object error)
    cpdef send(self, bytes data)
    cdef _end(self)
    @cython.locals(kept=bytearray, sent=Py_ssize_t, is_empty=bint)
    cdef _send_kept(self)
    cdef _tell_full(self)
    cdef _all_sent(self)
    cdef _close_when_sent(self)
    cdef _lose(self, object error)
    cdef _read_soon(self)
