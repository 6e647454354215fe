# C types for tunnel/attachment.py, used when it is compiled.
cimport cython

from tunnel cimport system
from tunnel.inbox cimport Inbox
from tunnel.writer cimport Writer
from wire.batches cimport Batch
from wire.liveness cimport Liveness

cdef class Attachment(Writer):
    cdef readonly Liveness liveness
    cdef readonly object over
    cdef object _end
    cdef object _name
    cdef bint _is_lost
    cdef object _lost
    cdef Inbox _inbox
    cdef Writer _stream

    cpdef bint is_full(self) except -1
    cpdef when_room(self, object tell)
    cpdef send(self, object message)
    cpdef give_up(self, object why)
    cpdef bint has_slept(self) except -1
    cpdef _take(self, object message)
    cdef bint _is_over(self) except -1
