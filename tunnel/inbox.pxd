# C types for tunnel/inbox.py, used when it is compiled. Bounds checks stay on: batches come from a network.
cimport cython
from libc.stdint cimport uint64_t

from tunnel.counters cimport Counters
from tunnel.outbox cimport Outbox
from tunnel.session cimport Session
from wire cimport memory, packing
from wire.batches cimport Batch
from wire.chunks cimport check_chunks, read_length, read_slot
from wire.delivery cimport Delivery

cdef Py_ssize_t _MAX_BATCH_BYTES, _PREFETCHED_AT_ONCE, _SESSION_BYTES

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

@cython.locals(position=Py_ssize_t, count=Py_ssize_t, place=Py_ssize_t, header=Py_ssize_t, start=Py_ssize_t,
               kind=int, data_kind=int, end_kind=int, session=Session, addressed=list)
cpdef deliver_chunks(bytes batch, dict sessions)

@cython.locals(place=Py_ssize_t, session=Session)
cdef _prefetch(list sessions, Py_ssize_t start, Py_ssize_t end)

@cython.locals(addressed=list, position=Py_ssize_t, size=Py_ssize_t, slot=Py_ssize_t, session=Session)
cdef list _addressed(bytes batch, dict sessions)
