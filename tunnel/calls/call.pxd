# C types for tunnel/calls/call.py, used when it is compiled.
cimport cython

from tunnel.calls.message_cutter cimport MessageCutter
from tunnel.writer cimport Writer
from wire.batches cimport Batch
from wire.data_frames cimport pack_data, pack_message

cdef Py_ssize_t _PREFIX_BYTES

cdef class Wire:
    cdef public object peer

    cpdef Py_ssize_t room_bytes(self, Call call) except? -1
    cpdef send_frame(self, Call call, bytes frame)
    cpdef acknowledge(self, Call call, Py_ssize_t size)

cdef class Call(Writer):
    cdef readonly object path
    cdef public object status
    cdef public object details
    cdef readonly Py_ssize_t stream
    cdef public bint has_answered
    cdef public bint has_begun
    cdef public bint is_complete
    cdef public Py_ssize_t room_bytes
    cdef public Py_ssize_t granted_bytes
    cdef public Py_ssize_t taken_bytes
    cdef Wire _wire
    cdef object _parse
    cdef Py_ssize_t _max_message_bytes
    cdef MessageCutter _cutter
    cdef object _messages
    cdef Py_ssize_t _unacknowledged_bytes
    cdef object _take
    cdef object _delivered
    cdef object _reader
    cdef bytes _unsent
    cdef Py_ssize_t _unsent_from
    cdef list _when_room
    cdef bint _has_ended

    cpdef bint is_full(self) except -1
    cpdef when_room(self, object tell)
    @cython.locals(data=bytes, batch=Batch)
    cpdef send(self, object message)
    @cython.locals(message=bytes)
    cpdef feed(self, bytes data, Py_ssize_t flow_bytes)
    cpdef complete(self)
    cpdef end(self, object status, object details)
    @cython.locals(start=Py_ssize_t, room=Py_ssize_t, data=bytes)
    cpdef send_rest(self)
    cdef _tell_room(self)
    cdef _hand_over(self, bytes data)
    cdef _end_delivery(self)
    cdef _wake_reader(self)
    @cython.locals(size=Py_ssize_t)
    cdef _acknowledge(self)
    cdef _check_open(self)
