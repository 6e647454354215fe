# C types for wire/guard.py, used when it is compiled. Bounds checks stay on: `_span` comes from a network.
cimport cython
from libc.stdint cimport int64_t
from cpython cimport array as c_array

from wire cimport buckets as token_buckets
from wire cimport memory, packing
from wire.program cimport Program
from wire.scanner cimport Scanner
from wire.tables cimport Choice, Entry, Tables
from wire.watcher cimport read_number

cdef int FRAME_RATE, BYTE_RATE, SESSION_WORD, OPCODE, STATE, COUNTER, TRAILER, SIZE, PACKET_RATE, LAYOUT, DISTANCE
cdef Py_ssize_t _BUCKETS_BYTES
cdef int OFF, AUDIT, NOTIFY, ANSWER, CLOSE

@cython.final
cdef class Guard:
    cdef Tables _tables
    cdef object _refused
    cdef object _audited
    cdef int _state
    cdef int _old_state
    cdef long long _flags
    cdef long long _old_flags
    cdef long long _changed_until
    cdef c_array.array _buckets
    cdef list _memories
    cdef long long _expected
    cdef long long _forwarded
    cdef long long _gap
    cdef long long _calls
    cdef long long _lost_calls
    cdef bint _restamp
    cdef bytes _span
    cdef Py_ssize_t _start
    cdef Py_ssize_t _length
    cdef long long _now
    cdef long long _passed
    cdef long long _last_notice
    cdef list _refusals
    cdef list _replies
    cdef public object closing
    cdef public dict identity
    cdef public bint is_logged_in
    cdef public long long unkept_refusals

    @cython.locals(size=Py_ssize_t, position=Py_ssize_t, begin=Py_ssize_t, length=Py_ssize_t, counter=Py_ssize_t,
                   out=bytearray)
    cpdef bytes check(self, bytes span, Scanner scanner, long long now)
    cdef prefetch(self, int depth)
    cpdef bint has_findings(self) except -1

    @cython.locals(tables=Tables, word=cython.longlong, is_call=bint, entry=Entry, check=int)
    cdef bint _frame(self) except -1

    @cython.locals(tables=Tables, verdicts=bytes, start=Py_ssize_t, trailer=Py_ssize_t, end=Py_ssize_t,
                   size=Py_ssize_t)
    cdef bint _fits(self, Entry entry, long long word, bint is_call) except -1

    cdef bint _packet_rate(self, Entry entry) except -1

    @cython.locals(verdict=int)
    cdef bint _passes(self, int check, Entry entry) except -1

    @cython.locals(program=Program)
    cdef bint _layout(self, Entry entry, Py_ssize_t start, Py_ssize_t end) except -1

    @cython.locals(tables=Tables, place=Py_ssize_t, limit=cython.longlong, interval=cython.longlong)
    cdef bint _distance(self, long long distance, Entry entry) except -1
    cdef _reply(self, bytes frames)
    cdef bint _identify(self, Program program, Entry entry) except -1

    @cython.locals(flags=cython.longlong, states=cython.longlong, old=cython.longlong)
    cdef bint _is_in_place(self, Entry entry) except -1

    @cython.locals(tables=Tables, value=cython.longlong)
    cdef bint _counter(self, Entry entry, bint is_call) except -1

    @cython.locals(tables=Tables)
    cdef bint _count(self, Entry entry, bint is_call) except -1

    @cython.locals(skipped=cython.longlong)
    cdef _skip_calls(self, long long value)
    cdef bytes _new_counter(self, Py_ssize_t position)

    @cython.locals(tables=Tables, little=bint, opcode=cython.longlong, choice=Choice, offset=Py_ssize_t)
    cdef Entry _find(self)

    @cython.locals(tables=Tables, place=Py_ssize_t, verdict=int)
    cdef bint _bare(self) except -1

    @cython.locals(tables=Tables, place=Py_ssize_t, verdict=int, is_within=bint)
    cdef bint _rates(self) except -1

    @cython.locals(tables=Tables, verdict=int)
    cdef bint _opaque(self, long long word) except -1
    cdef bint _is_opaque(self) except -1

    cdef int64_t _interval(self, Py_ssize_t place) except? -1

    @cython.locals(limit=cython.longlong)
    cdef bint _charge(self, Py_ssize_t place, long long charge) except -1

    @cython.locals(tables=Tables, place=Py_ssize_t)
    cdef bint _refuse(self, int check, int verdict, Entry entry) except -1

    @cython.locals(tables=Tables, word=cython.longlong, value=cython.longlong)
    cdef _leave_out(self, Entry entry)
