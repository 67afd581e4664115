//! Which of the kernel's many rules forbids to trace a process.
//!
//! The kernel says `EPERM` and no more. What follows goes through its checks in the order in
//! which it makes them (`__ptrace_may_access` in `kernel/ptrace.c`, ptrace(2)).

use nix::errno::Errno;

use crate::proc::{ProcDir, Status};

/// Why tracing a process is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// It belongs to another user.
    #[error("it belongs to user {theirs}, and goinspect runs as user {ours}")]
    OtherUser {
        /// goinspect's user ID.
        ours: u32,
        /// The process's (effective) user ID.
        theirs: u32,
    },
    /// It belongs to the same user, but runs with another group.
    #[error("it runs with group {theirs}, and goinspect with group {ours}")]
    OtherGroup {
        /// goinspect's group ID.
        ours: u32,
        /// The process's (effective) group ID.
        theirs: u32,
    },
    /// It has capabilities that goinspect does not have (say, from `setcap` on its executable).
    #[error("it has capabilities ({extra:#x}) that goinspect does not have")]
    MoreCapabilities {
        /// Those capabilities, as a mask (capabilities(7)).
        extra: u64,
    },
    /// It was started from a set-user-ID executable or one that may not be read, or has
    /// asked for it itself (`PR_SET_DUMPABLE`).
    #[error("it is protected: not dumpable (a set-user-ID program, or by its own wish)")]
    NotDumpable,
    /// The Yama security module restricts ptrace on this machine.
    #[error("kernel.yama.ptrace_scope is {scope}: {}", scope_meaning(*.scope))]
    PtraceScope {
        /// The setting, 1 to 3.
        scope: u8,
    },
    /// goinspect's `CAP_SYS_PTRACE` does not count in the user namespace of the process.
    #[error("it is in another user namespace, where goinspect's CAP_SYS_PTRACE does not count")]
    OtherUserNamespace,
    /// A system call filter of the container that goinspect runs in.
    #[error("a seccomp filter that goinspect runs under seems to forbid it")]
    Seccomp,
    /// None of the above.
    #[error("the kernel does not say why; a security module (AppArmor, SELinux) may forbid it")]
    Unknown,
}

fn scope_meaning(scope: u8) -> &'static str {
    match scope {
        1 => "only ancestors of a process may trace it",
        2 => "only CAP_SYS_PTRACE allows tracing",
        _ => "nobody may trace anything until the next boot",
    }
}

impl Denied {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        const CONTAINER: &str = "in a container, add the capability SYS_PTRACE";
        match self {
            Denied::OtherUser { theirs, .. } => {
                format!("run goinspect as root (sudo) or as user {theirs}; {CONTAINER}")
            }
            Denied::OtherGroup { .. } | Denied::MoreCapabilities { .. } | Denied::NotDumpable => {
                format!("run goinspect as root (sudo) or with CAP_SYS_PTRACE; {CONTAINER}")
            }
            Denied::PtraceScope { scope: 1 } => format!(
                "run goinspect as root (sudo) or with CAP_SYS_PTRACE; {CONTAINER}; or allow it \
                 to every user: sudo sysctl kernel.yama.ptrace_scope=0"
            ),
            Denied::PtraceScope { scope: 2 } => {
                format!("run goinspect as root (sudo) or with CAP_SYS_PTRACE; {CONTAINER}")
            }
            Denied::PtraceScope { .. } => {
                "set kernel.yama.ptrace_scope to a lower value in /etc/sysctl.d and reboot; \
                 or take a core dump of the process and read that"
                    .to_owned()
            }
            Denied::OtherUserNamespace => {
                "run goinspect as root of the host, or inside the container of the process"
                    .to_owned()
            }
            Denied::Seccomp => format!("{CONTAINER}, or run goinspect on the host"),
            Denied::Unknown => "look for a refusal in the audit log or the kernel log (dmesg); \
                 try as root of the host"
                .to_owned(),
        }
    }
}

/// Finds the reason, after the kernel has refused.
pub(crate) fn diagnose(process: &ProcDir) -> Denied {
    gather(process).map_or(Denied::Unknown, |facts| facts.reason())
}

/// `CAP_SYS_PTRACE` of `include/uapi/linux/capability.h`.
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// All that the kernel decides by, as far as it can be seen from outside.
struct Facts {
    ours: Status,
    theirs: Status,
    /// The owner of the files in `/proc/PID` (not of the directory, which is always the
    /// process's user): root instead of the process's user if it is not dumpable.
    owner: u32,
    /// `kernel.yama.ptrace_scope`, where there is such a thing.
    scope: Option<u8>,
    same_user_namespace: bool,
}

fn gather(process: &ProcDir) -> Result<Facts, Errno> {
    let own = ProcDir::own()?;
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let same_user_namespace = match (own.link("ns/user"), process.link("ns/user")) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        // The link is as protected as the process; the mapping of its user IDs is not.
        _ => own.read("uid_map").ok() == process.read("uid_map").ok(),
    };
    Ok(Facts {
        ours: own.status(None)?,
        theirs: process.status(None)?,
        owner: process.metadata("mem")?.st_uid,
        scope,
        same_user_namespace,
    })
}

impl Facts {
    fn reason(&self) -> Denied {
        if let Some(scope @ 3..) = self.scope {
            return Denied::PtraceScope { scope };
        }
        if self.ours.cap_effective & CAP_SYS_PTRACE == 0 {
            if let Some(reason) = self.unprivileged() {
                return reason;
            }
        } else if !self.same_user_namespace {
            return Denied::OtherUserNamespace;
        }
        match self.ours.seccomp {
            0 => Denied::Unknown,
            _ => Denied::Seccomp,
        }
    }

    /// What stands in the way of those without `CAP_SYS_PTRACE`.
    fn unprivileged(&self) -> Option<Denied> {
        let [ours, ..] = self.ours.uids;
        let [real, theirs, saved, _] = self.theirs.uids;
        if [real, theirs, saved] != [ours; 3] {
            return Some(Denied::OtherUser { ours, theirs });
        }
        let [ours, ..] = self.ours.gids;
        let [real, theirs, saved, _] = self.theirs.gids;
        if [real, theirs, saved] != [ours; 3] {
            return Some(Denied::OtherGroup { ours, theirs });
        }
        let [_, effective, ..] = self.theirs.uids;
        let extra = self.theirs.cap_permitted & !self.ours.cap_permitted;
        match self.scope {
            _ if extra != 0 => Some(Denied::MoreCapabilities { extra }),
            _ if self.owner != effective => Some(Denied::NotDumpable),
            Some(scope @ 1..) => Some(Denied::PtraceScope { scope }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User 1000 wants to trace a process of user 1000, and nothing forbids it.
    fn facts() -> Facts {
        let user = Status {
            uids: [1000; 4],
            gids: [100; 4],
            ..Status::default()
        };
        Facts {
            ours: user.clone(),
            theirs: user,
            owner: 1000,
            scope: None,
            same_user_namespace: true,
        }
    }

    #[test]
    fn each_rule_is_named() {
        assert_eq!(facts().reason(), Denied::Unknown);

        let mut f = facts();
        f.theirs.uids = [1000, 0, 0, 0];
        let (ours, theirs) = (1000, 0);
        assert_eq!(f.reason(), Denied::OtherUser { ours, theirs });

        let mut f = facts();
        f.theirs.gids = [7; 4];
        let (ours, theirs) = (100, 7);
        assert_eq!(f.reason(), Denied::OtherGroup { ours, theirs });

        let mut f = facts();
        f.theirs.cap_permitted = 0x400;
        f.owner = 0;
        assert_eq!(f.reason(), Denied::MoreCapabilities { extra: 0x400 });

        let mut f = facts();
        f.owner = 0;
        assert_eq!(f.reason(), Denied::NotDumpable);

        let mut f = facts();
        f.ours.seccomp = 2;
        assert_eq!(f.reason(), Denied::Seccomp);
        f.scope = Some(0);
        assert_eq!(f.reason(), Denied::Seccomp);
        f.scope = Some(1);
        assert_eq!(f.reason(), Denied::PtraceScope { scope: 1 });
    }

    #[test]
    fn the_capability_lifts_all_but_two() {
        let mut f = facts();
        f.ours.cap_effective = CAP_SYS_PTRACE;
        f.theirs.uids = [0; 4];
        f.scope = Some(2);
        assert_eq!(f.reason(), Denied::Unknown);
        f.same_user_namespace = false;
        assert_eq!(f.reason(), Denied::OtherUserNamespace);
        f.scope = Some(3);
        assert_eq!(f.reason(), Denied::PtraceScope { scope: 3 });
    }

    #[test]
    fn every_reason_is_one_line() {
        for reason in [
            Denied::PtraceScope { scope: 1 },
            Denied::MoreCapabilities { extra: 0x400 },
            Denied::Unknown,
        ] {
            assert!(!reason.to_string().contains('\n'));
            assert!(!reason.hint().contains('\n'));
        }
    }
}
