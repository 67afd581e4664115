//! The runtime contract: every struct and field of Go's runtime that goinspect relies on.
//!
//! A field marked `optional` may be missing; what that means is said beside it. Everything else
//! must be there, or the program is not read at all. Offsets come from the target
//! itself; a test holds this page against each toolchain. Where a path ends in a wrapper
//! (`atomic.Uint32`, `guintptr`), the wrapper is peeled by its shape.

use gobinary::{MAX_SIZE, PathError, Scalar, TypeTable};

/// One line of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clause {
    /// The struct, by its full name.
    pub strukt: &'static str,
    /// Field names joined by dots.
    pub path: &'static str,
    /// Whether it may be missing.
    pub optional: bool,
}

macro_rules! contract {
    (@field $types:ident $strukt:literal $path:literal) => { $types.scalar($strukt, $path)? };
    (@field $types:ident $strukt:literal $path:literal optional) => { $types.scalar($strukt, $path).ok() };
    (@type) => { Scalar };
    (@type optional) => { Option<Scalar> };
    (@end $field:expr) => { $field.offset + $field.width };
    (@end $field:expr, optional) => { $field.map_or(0, |field| field.offset + field.width) };
    (@optional) => { false };
    (@optional optional) => { true };
    ($(
        $(#[$doc:meta])*
        $name:ident = $strukt:literal {
            $( $(#[$field_doc:meta])* $field:ident: $path:literal $($opt:ident)? ; )*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name {
                /// Size of the struct in bytes.
                pub size: usize,
                $( $(#[$field_doc])* pub $field: contract!(@type $($opt)?), )*
            }

            impl $name {
                /// Finds its fields in the target's own layouts.
                pub fn resolve(types: &TypeTable) -> Result<Self, PathError> {
                    let strukt = types
                        .lookup($strukt)
                        .ok_or_else(|| PathError::NoType($strukt.to_owned()))?;
                    if strukt.size > MAX_SIZE {
                        return Err(PathError::TooLarge($strukt.to_owned()));
                    }
                    Ok($name {
                        size: strukt.size as usize,
                        $( $field: contract!(@field types $strukt $path $($opt)?), )*
                    })
                }

                /// How many bytes from its start hold all the fields of the contract.
                pub fn extent(&self) -> usize {
                    let fields = [$( contract!(@end self.$field $(, $opt)?) ),*];
                    fields.into_iter().max().unwrap_or(0)
                }
            }
        )*

        /// All lines of the contract.
        pub const CLAUSES: &[Clause] = &[
            $($( Clause { strukt: $strukt, path: $path, optional: contract!(@optional $($opt)?) }, )*)*
        ];

        /// The structs that the contract names.
        pub const STRUCTS: &[&str] = &[$($strukt),*];
    };
}

contract! {
    /// A goroutine (`runtime/runtime2.go`).
    G = "runtime.g" {
        /// Lowest address of its stack.
        stack_lo: "stack.lo";
        /// One past the highest.
        stack_hi: "stack.hi";
        /// The M it is on; nil when it is on none.
        m: "m";
        /// Stack pointer saved by the scheduler.
        sched_sp: "sched.sp";
        /// Program counter saved by the scheduler.
        sched_pc: "sched.pc";
        /// Link register saved by the scheduler (0 on amd64).
        sched_lr: "sched.lr";
        /// Stack pointer at the entry of a system call; 0 outside one.
        syscallsp: "syscallsp";
        /// Program counter at the entry of a system call.
        syscallpc: "syscallpc";
        /// The status, with the scan bit.
        atomicstatus: "atomicstatus";
        /// Its ID: int64 before Go 1.21, uint64 since.
        goid: "goid";
        /// When the garbage collector first saw it waiting; 0: not seen.
        waitsince: "waitsince";
        /// Counts how often it stopped running (`casgstatus`), in 8 bits; without it a goroutine that ran and came back seems
        /// not to have run.
        tracking_seq: "trackingSeq" optional;
        /// Index into `runtime.waitReasonStrings`.
        waitreason: "waitreason";
        /// Whether it is about to park on a channel.
        parking_on_chan: "parkingOnChan";
        /// The M it is locked to.
        lockedm: "lockedm";
        /// Return address of the `go` statement's call.
        gopc: "gopc";
        /// The function it began with.
        startpc: "startpc";
        /// The next in the global run queue. Without it that queue is not told.
        schedlink: "schedlink" optional;
        /// What it waits on: a list of `sudog`s. Semaphores are on it only since Go 1.26.
        waiting: "waiting";
        /// The timer of `time.Sleep`.
        timer: "timer";
        /// When `time.Sleep` is over. Since Go 1.23; before, the timer itself says it.
        sleep_when: "sleepWhen" optional;
        /// The coroutine it is switching with. Since Go 1.23; without it coroutines have no address.
        coroarg: "coroarg" optional;
        /// pprof labels: `*labelMap`.
        labels: "labels";
        /// The goroutine that created it. Since Go 1.21; without it no ancestry is shown.
        parent_goid: "parentGoid" optional;
        /// The synctest bubble it lives in. Since Go 1.25; not told without it.
        bubble: "bubble" optional;
        /// What bubbles were called in Go 1.24.
        sync_group: "syncGroup" optional;
        /// Those who created it, if the program keeps them.
        ancestors: "ancestors" optional;
        /// Whether it is running a cleanup. Since Go 1.25; before, there were no cleanup goroutines.
        running_cleanups: "runningCleanups" optional;
    }

    /// An OS thread (`runtime/runtime2.go`).
    M = "runtime.m" {
        /// The goroutine of its system stack.
        g0: "g0";
        /// The goroutine of its signal stack; nil before `minit`.
        gsignal: "gsignal";
        /// Its number.
        id: "id";
        /// Its thread ID in the program's own PID namespace.
        procid: "procid";
        /// The goroutine it runs, if any.
        curg: "curg";
        /// The next on `runtime.allm`.
        alllink: "alllink";
        /// The P it has. Without it no M is told to have one.
        p: "p" optional;
        /// Stack pointer while in a vDSO call; 0 outside one.
        vdso_sp: "vdsoSP";
        /// Program counter while in a vDSO call.
        vdso_pc: "vdsoPC";
    }

    /// What an M needs to execute Go code (`runtime/runtime2.go`).
    P = "runtime.p" {
        /// Its index in `runtime.allp`.
        id: "id";
        /// `_Pidle`, `_Prunning`, …
        status: "status";
        /// The M that has it; nil if none does.
        m: "m";
        /// How many have ever been taken from its run queue.
        runqhead: "runqhead";
        /// How many have ever been put there.
        runqtail: "runqtail";
        /// The run queue: a ring of `g`s.
        runq: "runq";
        /// The `g` that is next, before those in the ring. It lies directly behind the ring.
        runnext: "runnext";
    }

    /// The scheduler (`runtime/runtime2.go`).
    Schedt = "runtime.schedt" {
        /// Where goids come from.
        goidgen: "goidgen";
        /// How many Ms there have ever been.
        mnext: "mnext";
        /// How many of them are no longer.
        nmfreed: "nmfreed";
        /// The first of the idle Ps.
        pidle: "pidle";
        /// How many idle Ps there are.
        npidle: "npidle";
        /// The first in the global run queue.
        runq: "runq.head";
        /// How many are in it, before Go 1.25.
        runqsize: "runqsize" optional;
        /// The same since Go 1.25.
        runq_size: "runq.size" optional;
        /// Whether the world is stopped, or about to be.
        gcwaiting: "gcwaiting";
    }

    /// What is counted of memory and its collection (`runtime/mstats.go`).
    Mstats = "runtime.mstats" {
        /// When the last collection ended, in nanoseconds since 1970.
        last_gc_unix: "last_gc_unix";
        /// When each of the last 256 ended.
        pause_end: "pause_end";
        /// For how long each of them stopped the program.
        pause_ns: "pause_ns";
        /// How many there have been.
        numgc: "numgc";
    }

    /// What the linker says of a module (`runtime/symtab.go`).
    Moduledata = "runtime.moduledata" {
        /// Address of pclntab.
        pc_header: "pcHeader";
        /// Where text offsets count from.
        text: "text";
        /// End of the text.
        etext: "etext";
        /// Where funcdata offsets count from (`go:func.*`).
        gofunc: "gofunc";
        /// How many text sections there are; text offsets are linear where it is at most one.
        text_sections: "textsectmap.len";
        /// Initialised variables without pointers.
        noptrdata: "noptrdata";
        /// Their end.
        enoptrdata: "enoptrdata";
        /// Initialised variables.
        data: "data";
        /// Their end.
        edata: "edata";
        /// Variables that begin as zero.
        bss: "bss";
        /// Their end.
        ebss: "ebss";
        /// Variables without pointers that begin as zero.
        noptrbss: "noptrbss";
        /// Their end.
        enoptrbss: "enoptrbss";
        /// Type descriptors and the names in them.
        types: "types";
        /// Their end.
        etypes: "etypes";
        /// The next module (plugins, shared libraries).
        next: "next";
    }

    /// A goroutine in a queue (`runtime/runtime2.go`). Since Go 1.26 what it points to is
    /// in a word that the garbage collector does not see, too.
    Sudog = "runtime.sudog" {
        /// The goroutine.
        g: "g";
        /// The next in the queue of a channel or a condition; in a semaphore's tree a subtree.
        next: "next";
        /// The other subtree.
        prev: "prev";
        /// The next on `g.waiting`; the next that waits for the same semaphore.
        waitlink: "waitlink";
        /// For semaphores and, since Go 1.26, conditions: what it waits for.
        elem: "elem" optional;
        /// The same since Go 1.26.
        elem_vu: "elem.vu" optional;
        /// The channel.
        c: "c" optional;
        /// The same since Go 1.26.
        c_vu: "c.maybeTraceablePtr.vu" optional;
    }

    /// A channel (`runtime/chan.go`).
    Hchan = "runtime.hchan" {
        /// How many elements are in its buffer.
        qcount: "qcount";
        /// How many have room there.
        dataqsiz: "dataqsiz";
        /// Whether it is closed.
        closed: "closed";
        /// The type of its elements.
        elemtype: "elemtype";
        /// The first who waits to receive.
        recvq: "recvq.first";
        /// The first who waits to send.
        sendq: "sendq.first";
        /// The timer that sends to it. Since Go 1.23; before, the channel does not know of it.
        timer: "timer" optional;
    }

    /// A file that the network poller watches (`runtime/netpoll.go`).
    PollDesc = "runtime.pollDesc" {
        /// Its number.
        fd: "fd";
        /// Who waits to read, or a small number.
        rg: "rg";
        /// Who waits to write, or a small number.
        wg: "wg";
        /// When reading times out; 0: never.
        rd: "rd";
        /// When writing does.
        wd: "wd";
        /// Its own address, as long as it is one.
        itself: "self";
    }

    /// A timer (`runtime/time.go`).
    Timer = "runtime.timer" {
        /// When it is due, on the program's monotonic clock.
        when: "when";
    }

    /// Who waits on a `sync.Cond` (`runtime/sema.go`).
    NotifyList = "runtime.notifyList" {
        /// The first of them.
        head: "head";
        /// The last.
        tail: "tail";
    }

    /// Who waits for semaphores of the same hash (`runtime/sema.go`).
    SemaRoot = "runtime.semaRoot" {
        /// The tree of them.
        treap: "treap";
    }

    /// The heap (`runtime/mheap.go`).
    Mheap = "runtime.mheap" {
        /// The table of arenas: the first level has one entry on Linux.
        arenas: "arenas";
    }

    /// A part of the heap (`runtime/mheap.go`).
    HeapArena = "runtime.heapArena" {
        /// The spans of its pages.
        spans: "spans";
    }

    /// Pages for objects of one size (`runtime/mheap.go`).
    Mspan = "runtime.mspan" {
        /// Its first address.
        start_addr: "startAddr";
        /// How many pages it has.
        npages: "npages";
        /// Whether it is in use, and what for.
        state: "state";
        /// The size of its objects.
        elemsize: "elemsize";
    }

    /// All the trees (`runtime/sema.go`): only its size counts.
    SemTable = "runtime.semTable" {
    }

    /// A synctest bubble since Go 1.25 (`runtime/synctest.go`).
    Bubble = "runtime.synctestBubble" {
        /// Its number.
        id: "id";
    }

    /// A synctest bubble in Go 1.24 (`runtime/synctest.go`).
    SyncGroup = "runtime.synctestGroup" {
        /// The goroutine that made it.
        root: "root";
    }

    /// One who created a goroutine, or created who did (`runtime/runtime2.go`).
    AncestorInfo = "runtime.ancestorInfo" {
        /// Where its program counters are.
        pcs: "pcs.array";
        /// How many there are.
        pcs_len: "pcs.len";
        /// Its ID.
        goid: "goid";
        /// Return address of the call that created it.
        gopc: "gopc";
    }

    /// A setting of `GODEBUG` (`runtime/runtime1.go`).
    DbgVar = "runtime.dbgVar" {
        /// Address of its name.
        name: "name.str";
        /// Length of its name.
        name_len: "name.len";
        /// Where its value is, if it can change while the program runs.
        atomic: "atomic" optional;
    }

    /// A Go map before Go 1.24 (`runtime/map.go`).
    Hmap = "runtime.hmap" {
        /// How many entries there are.
        count: "count";
        /// Logarithm of the number of buckets.
        b: "B";
        /// The buckets.
        buckets: "buckets";
        /// The buckets from before the map grew, while entries are still being moved.
        oldbuckets: "oldbuckets";
        /// Bit 8: it grows without more buckets.
        flags: "flags";
    }
}

/// Structs that only some Go versions have: [`Hmap`] is needed for pprof labels before Go 1.24,
/// [`Bubble`], [`SyncGroup`], [`DbgVar`] and [`AncestorInfo`] for what tracebacks say beside the frames. Those of the heap and the scheduler all versions have; without them
/// less is known of who holds an object, and nothing of what the scheduler does.
pub const OPTIONAL_STRUCTS: &[&str] = &[
    "runtime.hmap",
    "runtime.synctestBubble",
    "runtime.synctestGroup",
    "runtime.dbgVar",
    "runtime.ancestorInfo",
    "runtime.mheap",
    "runtime.heapArena",
    "runtime.mspan",
    "runtime.p",
    "runtime.schedt",
    "runtime.mstats",
];

/// A variable of the runtime that is relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its full name.
    pub name: &'static str,
    /// Whether it may be missing.
    pub optional: bool,
}

/// How many goroutines `allgptr` has room for (`runtime/proc.go`, `atomicAllG`).
pub const ALLGLEN: &str = "runtime.allglen";
/// The list of all goroutines. `allgs` is the same list, but may be caught half written.
pub const ALLGPTR: &str = "runtime.allgptr";
/// The list of all Ms.
pub const ALLM: &str = "runtime.allm";
/// The words for wait reasons.
pub const WAIT_REASON_STRINGS: &str = "runtime.waitReasonStrings";
/// The first of the modules.
pub const FIRSTMODULEDATA: &str = "runtime.firstmoduledata";
/// Who waits for semaphores: mutexes, wait groups, … (`runtime/sema.go`).
pub const SEMTABLE: &str = "runtime.semtable";
/// The heap. Without it, what else is part of an object on it is not known.
pub const MHEAP: &str = "runtime.mheap_";
/// The Ps, a slice of pointers (`runtime/runtime2.go`). Without it nothing is told of the scheduler.
pub const ALLP: &str = "runtime.allp";
/// The scheduler. Without it the global run queue is not told.
pub const SCHED: &str = "runtime.sched";
/// Whether the garbage collector marks (`runtime/mgc.go`). Not told without it.
pub const GCPHASE: &str = "runtime.gcphase";
/// Has the number of collections that are over. Not told without it.
pub const MEMSTATS: &str = "runtime.memstats";
/// What the finalizer goroutine is doing (`runtime/mfinal.go`). Without it that goroutine counts as the runtime's own.
pub const FING_STATUS: &str = "runtime.fingStatus";
/// The same before Go 1.20: whether a finalizer is running.
pub const FING_RUNNING: &str = "runtime.fingRunning";

/// The settings of `GODEBUG`, a slice of pointers (`runtime/runtime1.go`).
pub const DBGVARS: &str = "runtime.dbgvars";
/// Which wait reasons count as durably blocked in a synctest bubble, a `bool` each
/// (`runtime/runtime2.go`). Since Go 1.24.
pub const IS_IDLE_IN_SYNCTEST: &str = "runtime.isIdleInSynctest";

/// The variables of the contract.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: ALLGLEN,
        optional: false,
    },
    Variable {
        name: ALLGPTR,
        optional: false,
    },
    Variable {
        name: ALLM,
        optional: false,
    },
    Variable {
        name: WAIT_REASON_STRINGS,
        optional: false,
    },
    Variable {
        name: FIRSTMODULEDATA,
        optional: false,
    },
    Variable {
        name: ALLP,
        optional: true,
    },
    Variable {
        name: SCHED,
        optional: true,
    },
    Variable {
        name: GCPHASE,
        optional: true,
    },
    Variable {
        name: MEMSTATS,
        optional: true,
    },
    Variable {
        name: FING_STATUS,
        optional: true,
    },
    Variable {
        name: MHEAP,
        optional: true,
    },
    Variable {
        name: SEMTABLE,
        optional: true,
    },
    Variable {
        name: FING_RUNNING,
        optional: true,
    },
    Variable {
        name: DBGVARS,
        optional: true,
    },
    Variable {
        name: IS_IDLE_IN_SYNCTEST,
        optional: true,
    },
];
