//! Which of the kernel's many rules forbids to trace a process, and what would lift it.
//!
//! The kernel says `EPERM` and no more. What follows asks for the facts that it decides by, and
//! goes through its checks in the order in which it makes them (`__ptrace_may_access` in
//! `kernel/ptrace.c`, ptrace(2)), so that one rule is named and not a list of guesses.

mod facts;

use std::fmt;

pub(crate) use facts::{Refused, diagnose, is_privileged, privilege};

/// Why tracing a process is not allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// The rule that forbids it.
    pub rule: Rule,
    /// How goinspect could get the capability that lifts most of them.
    privilege: Privilege,
}

/// A rule that forbids to trace a process.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// It belongs to another user.
    #[error(
        "it belongs to user {theirs}, and goinspect runs as user {ours} without CAP_SYS_PTRACE"
    )]
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
    /// goinspect is root without root's capabilities. Of what these would lift, all that can be
    /// seen is in order: what is left is that the process is not dumpable.
    #[error("goinspect runs as root, but without the capability CAP_SYS_PTRACE")]
    NoCapability,
    /// `CAP_SYS_PTRACE` alone (`setcap` on goinspect): files in `/proc/PID` are the user's own.
    #[error(
        "its files in /proc belong to user {owner}, and goinspect lacks the capability \
         CAP_DAC_READ_SEARCH"
    )]
    NoReadCapability {
        /// Whose the files are.
        owner: u32,
    },
    /// The Yama security module restricts ptrace on this machine.
    #[error("kernel.yama.ptrace_scope is {scope}: {}", scope_meaning(*.scope))]
    PtraceScope {
        /// The setting, 1 to 3.
        scope: u8,
    },
    /// goinspect has no rights in the user namespace of the process.
    #[error("it is in another user namespace, and goinspect has no CAP_SYS_PTRACE there")]
    OtherUserNamespace {
        /// Whether goinspect itself is outside of all of them.
        outside: bool,
    },
    /// A system call filter of the container that goinspect runs in.
    #[error("a system call filter (seccomp) that goinspect runs under forbids ptrace")]
    Seccomp,
    /// `/proc` is mounted so that the processes of others are closed (`hidepid=noaccess`).
    #[error("/proc is mounted with hidepid, and goinspect lacks the capability CAP_SYS_PTRACE")]
    HidePid,
    /// Someone else traces it, and is not to be seen in goinspect's PID namespace.
    #[error(
        "it seems to be traced already, by a process outside of the PID namespace that \
         goinspect is in"
    )]
    HiddenTracer,
    /// goinspect is confined by a security module, and none of the above forbids it.
    #[error("goinspect is confined by {module} ({label}), and no other rule forbids it")]
    Confined {
        /// Which.
        module: Module,
        /// The profile or the context that goinspect runs in.
        label: String,
    },
    /// None of the above.
    #[error("no rule that goinspect knows forbids it: a security module may")]
    Unknown,
}

/// A security module of the kernel that tells whom it confines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Module {
    /// AppArmor.
    AppArmor,
    /// SELinux.
    SeLinux,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Module::AppArmor => "AppArmor",
            Module::SeLinux => "SELinux",
        })
    }
}

fn scope_meaning(scope: u8) -> &'static str {
    match scope {
        1 => "only ancestors of a process may trace it",
        2 => "only CAP_SYS_PTRACE allows tracing",
        _ => "nobody may trace anything until the next boot",
    }
}

/// How goinspect could get `CAP_SYS_PTRACE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Privilege {
    /// As an ordinary user does.
    Sudo,
    /// Not by a program that it could start: `no_new_privs`.
    NoNewPrivileges,
    /// It is kept even from root where goinspect runs, as in most containers.
    Withheld,
}

impl Privilege {
    /// What to do to get it.
    pub(crate) fn hint(self) -> String {
        format!("run goinspect {}", self.how())
    }

    fn how(self) -> &'static str {
        match self {
            Privilege::Sudo => "as root (sudo)",
            Privilege::NoNewPrivileges => {
                "as root from the start (where no_new_privs is set, sudo does not work)"
            }
            Privilege::Withheld => {
                "with the capability SYS_PTRACE, which is withheld where it runs now (docker run \
                 --cap-add=SYS_PTRACE, kubectl debug --profile=general)"
            }
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

impl Denied {
    /// For a directory `/proc/PID` that is closed, though all others of `/proc` are open.
    pub(crate) fn hidepid() -> Denied {
        Denied {
            rule: Rule::HidePid,
            privilege: privilege(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        let privilege = self.privilege.hint();
        match &self.rule {
            Rule::OtherUser { theirs, .. } => {
                format!(
                    "run goinspect as user {theirs}, or {}",
                    self.privilege.how()
                )
            }
            Rule::PtraceScope { scope: 1 } => format!(
                "{privilege}; or allow it to every user, on the host if this is a container: \
                 sudo sysctl kernel.yama.ptrace_scope=0"
            ),
            Rule::PtraceScope { scope: 3.. } => {
                "set kernel.yama.ptrace_scope to a lower value in /etc/sysctl.d of the host and \
                 reboot; or take a core dump of the process and read that"
                    .to_owned()
            }
            Rule::OtherGroup { .. }
            | Rule::MoreCapabilities { .. }
            | Rule::NotDumpable
            | Rule::NoCapability
            | Rule::HidePid
            | Rule::PtraceScope { .. }
            | Rule::OtherUserNamespace { outside: true } => privilege,
            Rule::OtherUserNamespace { outside: false } => {
                "run goinspect on the host, or inside the container of the process".to_owned()
            }
            Rule::NoReadCapability { owner } => format!(
                "run goinspect as user {owner}, or with that capability, too (docker run \
                 --cap-add=DAC_READ_SEARCH, setcap cap_sys_ptrace,cap_dac_read_search=ep)"
            ),
            Rule::Seccomp => "start the container of goinspect with --security-opt \
                 seccomp=unconfined (Kubernetes: seccompProfile: {type: Unconfined}), or run \
                 goinspect on the host"
                .to_owned(),
            Rule::HiddenTracer => "a process can have but one tracer: on the host, the line \
                 TracerPid of its /proc/PID/status names it"
                .to_owned(),
            Rule::Confined {
                module: Module::AppArmor,
                ..
            } => "start the container of goinspect with --security-opt apparmor=unconfined, or \
                 run goinspect on the host"
                .to_owned(),
            Rule::Confined {
                module: Module::SeLinux,
                ..
            } => "start the container of goinspect with --security-opt label=disable, or run \
                 goinspect on the host"
                .to_owned(),
            Rule::Unknown => {
                "look for the refusal in the audit log or the kernel log (dmesg)".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests;
