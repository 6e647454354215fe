# C types for tunnel/inbox.py, used when it is compiled.
cimport cython
from libc.stdint cimport uint64_t

from tunnel.counters cimport Counters
from tunnel.outbox cimport Outbox
from tunnel.session cimport deliver_chunks
from wire.batches cimport Batch
from wire.delivery cimport Delivery

cdef Py_ssize_t _MAX_BATCH_BYTES

@cython.final
cdef class Inbox:
    cdef Counters _counters
    cdef Delivery _delivery
    cdef Outbox _outbox
    cdef dict _sessions

    @cython.locals(delivery=Delivery, before=uint64_t)
    cpdef accept(self, uint64_t sequence, uint64_t acknowledged)
    cpdef take(self, Batch batch)
    @cython.locals(size=Py_ssize_t)
    cpdef deliver(self, bytes chunks)
