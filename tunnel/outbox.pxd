# C types for tunnel/outbox.py, used when it is compiled.
cimport cython

from tunnel.counters cimport Counters
from tunnel.flow cimport Flow
from tunnel.turn cimport Turn
from tunnel.writer cimport Writer
from tunnel cimport system
from wire.batches cimport Batch
from wire.chunks cimport ChunkBuffer
from wire.delivery cimport Delivery, Numbered

cdef Py_ssize_t _SEAL_BYTES, _LOW_WATER_BYTES, _MAX_FOLLOWING_BYTES

@cython.final
cdef class Outbox:
    cdef public Flow flow
    cdef readonly ChunkBuffer buffer
    cdef readonly Delivery _delivery
    cdef object _message
    cdef Counters _counters
    cdef double _flush_window_seconds
    cdef Py_ssize_t _ring_bytes
    cdef object _urgent
    cdef Writer _writer
    cdef Turn _turn
    cdef bint _is_due_now
    cdef bint _is_relieving
    cdef object _flushing
    cdef double _woken_at
    cdef bint _waits_for_room
    cdef bint _waits_for_ring
    cdef list _drained
    cdef dict _waiting
    cdef public double _flushed_at
    cdef readonly object _company
    cdef double _company_due

    @cython.locals(held=Py_ssize_t)
    cpdef check(self)
    cpdef acknowledged(self)
    @cython.locals(early=double)
    cpdef _wake(self)
    cdef _flush_no_later(self)
    cpdef _flush_now(self)
    cpdef _flush_later(self)
    cdef _flush(self)
    @cython.locals(writer=Writer, delivery=Delivery)
    cpdef _write(self)
    cdef _tell_drained(self)
    cdef Py_ssize_t _waiting_bytes(self) except -1
    cdef bint _is_drained(self) except -1
    @cython.locals(room=Py_ssize_t, size=Py_ssize_t)
    cdef _take(self)
    @cython.locals(delivery=Delivery, numbered=Numbered, resent=cython.longlong)
    cdef _take_one(self)
    cpdef _rest(self)
    cpdef _wait(self)
    cdef _wake_within(self, double seconds)
    cdef _stop_waiting(self)
    cpdef _wait_no_more(self)
    cpdef _seal_full(self)
    @cython.locals(chunks=bytes, batch=Batch)
    cdef _seal(self)
    cpdef _relieve(self)
