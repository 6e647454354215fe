# C types for tunnel/socket_link.py, used when it is compiled.
cimport cython
from tunnel.link cimport LinkEvents
from tunnel.poller cimport Pollable, Poller
from tunnel cimport system
from wire cimport packing

cdef unsigned int _WRITABLE, _NEARLY_OVER, _NEWS
cdef Py_ssize_t _READ_BYTES, _READS_AT_ONCE

cdef class SocketLink(Pollable):
    cdef public LinkEvents events
    cdef Poller _poller
    cdef object _socket
    cdef int _descriptor
    cdef double _linger_seconds
    cdef object _timer
    cdef bytes _queued
    cdef Py_ssize_t _queued_from
    cdef Py_ssize_t _queued_to
    cdef bytearray _joined
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
    @cython.locals(queued=bytes, joined=bytearray, kept=bytearray)
    cpdef flush(self)
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t)
    cdef bytearray _transmit(self, bytes queued)
    cdef bytearray _transmit_joined(self, bytearray joined)
    cpdef fail(self, object error)
    cpdef send(self, bytes data)
    @cython.locals(joined=bytearray)
    cpdef send_part(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    cdef bint _is_queued(self) except -1
    cdef _end(self)
    @cython.locals(kept=bytearray, sent=Py_ssize_t, is_empty=bint)
    cdef _send_kept(self)
    cdef _tell_full(self)
    cdef _all_sent(self)
    cdef _close_when_sent(self)
    cdef _lose(self, object error)
    cdef _read_soon(self)
