//! What the kernel decides by, as far as it can be seen from outside, and the rule that follows.

use nix::errno::Errno;
use nix::unistd::gettid;

use super::{Denied, Module, Privilege, Rule};
use crate::proc::{ProcDir, Status};

/// `CAP_…` of `include/uapi/linux/capability.h`, as masks.
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
pub(super) const CAP_SYS_PTRACE: u64 = 1 << 19;

/// The namespaces that the kernel starts with (`PROC_USER_INIT_INO` and `PROC_PID_INIT_INO` of
/// `include/linux/proc_ns.h`).
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// What was refused. Both ask for the same rights, but files know no system call filters
/// and no other tracers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// To open a file of `/proc/PID`.
    File,
    /// To seize a thread.
    Ptrace,
}

/// Finds the reason, after the kernel has refused.
pub(crate) fn diagnose(process: &ProcDir, refused: Refused) -> Denied {
    let rule = match gather(process, refused) {
        Ok(facts) => facts.rule(),
        Err(_) => Rule::Unknown,
    };
    Denied {
        rule,
        privilege: privilege(),
    }
}

/// How goinspect could get `CAP_SYS_PTRACE`.
pub(crate) fn privilege() -> Privilege {
    ProcDir::own()
        .and_then(|own| own.status(None))
        .map_or(Privilege::Sudo, |own| Privilege::of(&own))
}

/// Whether goinspect has `CAP_SYS_PTRACE`, at least in its own user namespace.
pub(crate) fn is_privileged() -> bool {
    ProcDir::own()
        .and_then(|own| own.status(None))
        .is_ok_and(|own| own.cap_effective & CAP_SYS_PTRACE != 0)
}

impl Privilege {
    pub(super) fn of(own: &Status) -> Privilege {
        let [_, effective, ..] = own.uids;
        match own.cap_bounding & CAP_SYS_PTRACE {
            0 => Privilege::Withheld,
            // It could have it, being root, if it had not been taken away.
            _ if effective == 0 => Privilege::Withheld,
            _ if own.no_new_privs => Privilege::NoNewPrivileges,
            _ => Privilege::Sudo,
        }
    }
}

/// All that the kernel decides by, as far as it can be seen from outside.
pub(super) struct Facts {
    pub(super) ours: Status,
    pub(super) theirs: Status,
    /// The owner of the files in `/proc/PID` (not of the directory, which is always the
    /// process's user): root instead of the process's user if it is not dumpable.
    pub(super) owner: u32,
    /// `kernel.yama.ptrace_scope`, where there is such a thing.
    pub(super) scope: Option<u8>,
    pub(super) same_user_namespace: bool,
    /// Whether goinspect is in the user namespace and in the PID namespace of the host.
    pub(super) first_user_namespace: bool,
    pub(super) first_pid_namespace: bool,
    /// What a security module calls the part that goinspect plays.
    pub(super) label: String,
    pub(super) refused: Refused,
    /// Whether a system call filter answers in place of ptrace.
    pub(super) filtered: bool,
}

fn gather(process: &ProcDir, refused: Refused) -> Result<Facts, Errno> {
    let own = ProcDir::own()?;
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let same_user_namespace = match (own.link("ns/user"), process.link("ns/user")) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        // The link is as protected as the process; the mapping of its user IDs is not.
        _ => own.read("uid_map").ok() == process.read("uid_map").ok(),
    };
    let is_in = |link: &str, namespace: &str| own.link(link).is_ok_and(|is| is == namespace);
    // An error means that there is no such module.
    let label = own.read("attr/current").unwrap_or_default();
    Ok(Facts {
        ours: own.status(None)?,
        theirs: process.status(None)?,
        owner: process.metadata("mem")?.st_uid,
        scope,
        same_user_namespace,
        first_user_namespace: is_in("ns/user", FIRST_USER_NAMESPACE),
        first_pid_namespace: is_in("ns/pid", FIRST_PID_NAMESPACE),
        label: String::from_utf8_lossy(&label)
            .trim_end_matches(['\0', '\n'])
            .to_owned(),
        refused,
        filtered: refused == Refused::Ptrace && ptrace_is_filtered(),
    })
}

/// Asks ptrace for what makes no sense, of a thread that is not traced, which has but one answer.
fn ptrace_is_filtered() -> bool {
    nix::sys::ptrace::interrupt(gettid()) != Err(Errno::ESRCH)
}

impl Facts {
    pub(super) fn rule(&self) -> Rule {
        if self.filtered {
            return Rule::Seccomp;
        }
        if let Some(scope @ 3..) = self.scope {
            return Rule::PtraceScope { scope };
        }
        if let Some(rule) = match self.can(CAP_SYS_PTRACE) {
            true => self.privileged(),
            false => self.unprivileged(),
        } {
            return rule;
        }
        // The files of `/proc` were open to goinspect, so it has all the rights that ptrace asks for.
        if self.refused == Refused::Ptrace && !self.first_pid_namespace {
            return Rule::HiddenTracer;
        }
        if let Some(module) = confining(&self.label) {
            let label = self.label.clone();
            return Rule::Confined { module, label };
        }
        match self.ours.uids {
            [_, 0, ..] if !self.can(CAP_SYS_PTRACE) => Rule::NoCapability,
            _ => Rule::Unknown,
        }
    }

    fn can(&self, any_of: u64) -> bool {
        self.ours.cap_effective & any_of != 0
    }

    /// What stands in the way even of `CAP_SYS_PTRACE`.
    fn privileged(&self) -> Option<Rule> {
        if !self.same_user_namespace && !self.first_user_namespace {
            return Some(Rule::OtherUserNamespace { outside: false });
        }
        let [.., ours] = self.ours.uids;
        let owner = self.owner;
        let may_read = ours == owner || self.can(CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH);
        (self.refused == Refused::File && !may_read).then_some(Rule::NoReadCapability { owner })
    }

    /// What stands in the way of those without `CAP_SYS_PTRACE`.
    fn unprivileged(&self) -> Option<Rule> {
        let outside = self.first_user_namespace;
        // Seen from inside a user namespace, the users outside of it have no numbers of their own.
        if !self.same_user_namespace && !outside {
            return Some(Rule::OtherUserNamespace { outside });
        }
        let ids = |ids: [u32; 4]| {
            let [real, effective, saved, _] = ids;
            (effective, [real, saved] != [effective; 2])
        };
        let (theirs, mixed_users) = ids(self.theirs.uids);
        let (their_group, mixed_groups) = ids(self.theirs.gids);
        let ([ours, ..], [our_group, ..]) = (self.ours.uids, self.ours.gids);
        if mixed_users || mixed_groups {
            return Some(Rule::NotDumpable);
        }
        if ours != theirs {
            return Some(Rule::OtherUser { ours, theirs });
        }
        if our_group != their_group {
            let (ours, theirs) = (our_group, their_group);
            return Some(Rule::OtherGroup { ours, theirs });
        }
        if !self.same_user_namespace {
            return Some(Rule::OtherUserNamespace { outside });
        }
        let extra = self.theirs.cap_permitted & !self.ours.cap_effective;
        match self.scope {
            _ if extra != 0 => Some(Rule::MoreCapabilities { extra }),
            _ if self.owner != theirs => Some(Rule::NotDumpable),
            Some(scope @ 1..) => Some(Rule::PtraceScope { scope }),
            _ => None,
        }
    }
}

/// The security module that confines a process with this label (`/proc/PID/attr/current`);
/// `None` for one that may do what the other rules allow.
pub(super) fn confining(label: &str) -> Option<Module> {
    // AppArmor: `docker-default (enforce)`, `unconfined`. SELinux: `user:role:type:level`.
    let fields: Vec<&str> = label.splitn(4, ':').collect();
    match *fields {
        _ if label.ends_with(" (complain)") => None,
        _ if label.ends_with(')') => Some(Module::AppArmor),
        [_, _, kind, ..] if kind != "unconfined_t" => Some(Module::SeLinux),
        _ => None,
    }
}
