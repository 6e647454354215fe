# C types for tunnel/calls/connection.py, used when it is compiled.
cimport cython

from tunnel cimport system
from tunnel.calls.call cimport Call, Wire
from tunnel.turn cimport Turn
from wire.data_frames cimport FrameCutter, pack_window_update

cdef int _DATA, _WINDOW_UPDATE
cdef Py_ssize_t _HEADER_BYTES, _GRANT_BYTES
cdef double _MAX_FRAMES_AT_ONCE, _LONG_SECONDS

cdef class Connection(Wire):
    cdef public bint is_writable
    cdef public object problem
    cdef readonly object closed
    cdef readonly dict calls
    cdef object _transport
    cdef bint _is_resting
    cdef bint _is_closing
    cdef Turn _turn
    cdef object _linger
    cdef FrameCutter _cutter
    cdef Py_ssize_t _room_bytes
    cdef Py_ssize_t _granted_bytes
    cdef Py_ssize_t _taken_bytes
    cdef Py_ssize_t _last_stream
    cdef double _frames_left
    cdef double _frames_counted_at
    cdef readonly object _h2
    cdef Py_ssize_t _frame_bytes

    @cython.locals(began=double)
    cpdef data_received(self, bytes data)
    cdef _rest(self)
    cpdef _read_on(self)
    @cython.locals(kind=int, stream=Py_ssize_t, size=Py_ssize_t, body=bytes)
    cdef _take_frames(self, bytes data)
    cpdef Py_ssize_t room_bytes(self, Call call) except? -1
    @cython.locals(size=Py_ssize_t)
    cpdef send_frame(self, Call call, bytes frame)
    cpdef acknowledge(self, Call call, Py_ssize_t size)
    cpdef send_queued(self)
    cdef _write(self, bytes data)
    cdef _taken(self, Py_ssize_t size)
    cdef _count(self, Py_ssize_t frames)
    cdef _hand_on(self, bytes frames)
    cdef _take(self, object event)
    @cython.locals(call=Call)
    cdef _take_data(self, Py_ssize_t stream, Py_ssize_t size, bytes data)
    @cython.locals(call=Call, room=Py_ssize_t)
    cdef _take_room(self, Py_ssize_t stream, Py_ssize_t increment)
    cpdef _refuse(self, Call call, object error)
    @cython.locals(call=Call)
    cdef _send_rests(self)
