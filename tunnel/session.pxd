# C types for tunnel/session.py, used when it is compiled. Bounds checks stay on: batches come from a network.
cimport cython

from tunnel.counters cimport Counters
from tunnel.link cimport Link, LinkEvents
from wire cimport memory, packing
from wire.chunks cimport ChunkBuffer
from wire.credits cimport ReceiveCredit, SendCredit
from wire.guard cimport Guard
from wire.scanner cimport Scanner
from wire.watcher cimport Watcher

cdef Py_ssize_t _SESSION_BYTES, _GUARD_BYTES, _SCANNER_BYTES, _CREDIT_BYTES, _LINK_BYTES

cdef class Session(LinkEvents):
    cdef public Py_ssize_t slot
    cdef public bytes session_id
    cdef public object reason
    cdef object _owner
    cdef ChunkBuffer _buffer
    cdef Counters _counters
    cdef bint _is_edge
    cdef Scanner _scanner
    cdef Scanner _rechecker
    cdef Guard _guard
    cdef Watcher _watcher
    cdef object _inspector
    cdef Py_ssize_t _withheld
    cdef SendCredit _send
    cdef ReceiveCredit _receive
    cdef Link _link
    cdef bytes _pending
    cdef bint _is_split
    cdef bytearray _unsent
    cdef long long _delivered
    cdef Py_ssize_t _untaken
    cdef bint _writable
    cdef bint _link_ended
    cdef bint _end_sent
    cdef bint _end_received
    cdef object _ended_first
    cdef bint _close_sent
    cdef bint _close_received
    cdef int _dry_reads

    @cython.locals(scanner=Scanner, before=cython.longlong, span=bytes, guard=Guard)
    cpdef link_data(self, bytes data)

    cpdef tunnel_data(self, bytes data)
    @cython.locals(size=Py_ssize_t, rechecker=Scanner, before=cython.longlong, link=Link)
    cpdef tunnel_part(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    cpdef tunnel_end(self)
    cpdef tunnel_event(self, bytes event)

    @cython.locals(guard=Guard)
    cdef prefetch(self, int depth)
    cdef prefetch_delivery(self)
    cdef _wait_for_more(self, Scanner scanner)
    cdef _wait_for_player(self, Py_ssize_t idle_frame_bytes)
    cdef _wait_no_more(self)

    @cython.locals(passed=bytes)
    cdef bytes _checked(self, Guard guard, bytes span)

    @cython.locals(event=bytes)
    cdef _tell_events(self, Watcher watcher, bytes span)

    @cython.locals(buffer=ChunkBuffer)
    cdef _to_tunnel(self, bytes span)
    cdef _add(self, int kind, bytes payload)
    cdef _keep(self, bytes data)
    cdef _to_link(self, bytes frames)
    cdef bint _is_over(self) except -1
    cdef bint _is_holding(self) except -1
    cdef _take(self, Py_ssize_t size)

    @cython.locals(counters=Counters)
    cdef _count(self, long long frames, Py_ssize_t size, bint serverbound)
